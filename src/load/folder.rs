//! The folder of a job's result: `<results>/<name of the file>/<job id>/`.
//!
//! Owns: names that are safe whatever the file is called, and that a reader never sees half a file.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::bucket::names::segment;
use crate::error::{Error, Result};
use crate::model::job::{JobDocument, JobId, JobState};
use crate::model::position::SourceId;
use crate::pipeline::bulk::FailedRows;

const CSV: &str = "failed.csv";
const TEXT: &str = "failed.txt";
const JOB: &str = "job.json";

/// The folder.
#[derive(Debug)]
pub struct ResultFolder {
    path: PathBuf,
}

impl ResultFolder {
    /// Makes the folder of a job below `results`; what an earlier run left there is taken away.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn make(results: &Path, name: &str, job: &JobId) -> Result<Self> {
        let path = results.join(segment(name)).join(job.as_str());
        fs::create_dir_all(&path).map_err(|e| unwritten(&path, e))?;
        Ok(Self { path })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where rejected rows go; they have their names once the job is at its end.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn rows(&self) -> Result<Rows> {
        self.forget_rows()?;
        let open = |name: &str| {
            let path = self.path.join(part(name));
            let file = File::create(&path).map_err(|e| unwritten(&path, e))?;
            Ok::<_, Error>((BufWriter::new(file), path))
        };
        Ok(Rows {
            csv: open(CSV)?,
            text: open(TEXT)?,
        })
    }

    /// Takes away the rows that were given back so far.
    ///
    /// # Errors
    /// They cannot be taken away.
    pub fn forget_rows(&self) -> Result<()> {
        for name in [CSV, TEXT, &part(CSV), &part(TEXT)] {
            let path = self.path.join(name);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(unwritten(&path, e)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Finds the rows that an earlier run gave back of a job that has landed. Where that run did not come
    /// to its end they may be incomplete, and are taken away: `job.json` says where else they are.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn recover(&self, document: &mut JobDocument) -> Result<()> {
        let told = fs::read(self.path.join(JOB)).ok();
        let told = told.and_then(|text| serde_json::from_slice::<JobDocument>(&text).ok());
        let is_other = told.is_some_and(|told| {
            told.state != JobState::JobComplete || told.counts != document.counts
        });
        let is_part = [CSV, TEXT]
            .iter()
            .any(|name| self.path.join(part(name)).exists());
        if is_other || is_part {
            self.forget_rows()?;
        }
        let [csv, text] = [CSV, TEXT].map(|name| self.path.join(name));
        if document.counts.rejected > 0 && !csv.exists() && !text.exists() {
            let told = document.reason.take().unwrap_or_default();
            document.reason = Some(format!(
                "{told}; its rejected rows are in the rejects table, where _weir_source_id is {}",
                SourceId::bulk(document.id.as_str())
            ));
        }
        document.failed_rows = csv.exists().then(|| csv.display().to_string());
        self.write(document)
    }

    /// Names what there is to be given back, and writes `job.json`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end(&self, document: &mut JobDocument) -> Result<()> {
        for name in [CSV, TEXT] {
            let (from, to) = (self.path.join(part(name)), self.path.join(name));
            match fs::metadata(&from) {
                Ok(found) if found.len() > 0 => {
                    fs::rename(&from, &to).map_err(|e| unwritten(&to, e))?;
                    if name == CSV {
                        document.failed_rows = Some(to.display().to_string());
                    }
                }
                Ok(_) => fs::remove_file(&from).map_err(|e| unwritten(&from, e))?,
                Err(_) => {}
            }
        }
        self.write(document)
    }

    fn write(&self, document: &JobDocument) -> Result<()> {
        let text = serde_json::to_string_pretty(document)
            .map_err(|e| Error::internal("job.json cannot be written").because(e))?;
        let (from, to) = (self.path.join(part(JOB)), self.path.join(JOB));
        fs::write(&from, text + "\n")
            .and_then(|()| fs::rename(&from, &to))
            .map_err(|e| unwritten(&to, e))
    }
}

/// The name of a file that is being written; it is never taken for a drop.
fn part(name: &str) -> String {
    format!("{name}.part")
}

fn unwritten(path: &Path, error: io::Error) -> Error {
    Error::config(format!("{} cannot be written", path.display())).because(error)
}

/// The files of rejected rows.
#[derive(Debug)]
pub struct Rows {
    csv: (BufWriter<File>, PathBuf),
    text: (BufWriter<File>, PathBuf),
}

impl Rows {
    /// Writes what is buffered.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        for (file, path) in [&mut self.csv, &mut self.text] {
            file.flush().map_err(|e| unwritten(path, e))?;
        }
        Ok(())
    }
}

impl FailedRows for Rows {
    fn csv(&mut self, bytes: &[u8]) -> Result<()> {
        let (file, path) = &mut self.csv;
        file.write_all(bytes).map_err(|e| unwritten(path, e))
    }

    fn text(&mut self, bytes: &[u8]) -> Result<()> {
        let (file, path) = &mut self.text;
        file.write_all(bytes).map_err(|e| unwritten(path, e))
    }
}
