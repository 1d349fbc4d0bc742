//! A configuration with streams of the benches' events.

use std::fs;
use std::path::{Path, PathBuf};

use crate::event;

/// What the streams' names begin with; a stream's topic has its name.
pub const STREAM: &str = "events";

/// Writes the configuration into `folder`, with `sections` behind what every one has.
pub fn write(folder: &Path, brokers: &str, sections: &str, streams: &[String]) -> PathBuf {
    let put = |path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        fs::write(&path, text).expect("it can be written");
        path
    };
    put(&format!("schemas/{STREAM}/1.avsc"), event::SCHEMA);
    for stream in streams {
        let text = format!(
            "source = \"bench\"\nobject = \"events\"\ncategory = \"engagement\"\n\
             schema = {{ subject = \"{STREAM}\" }}\nprimary_key = [\"id\"]\n\
             event_time = \"created_at\"\n\
             [topics]\nnames = [\"{stream}\"]\nformat = \"json\"\n"
        );
        put(&format!("streams/{stream}.toml"), &text);
    }
    let lake = folder.join("lake");
    let weir = format!(
        "[instance]\nid = \"bench\"\n[kafka]\nbrokers = \"{brokers}\"\ngroup = \"weir\"\n\
         [lake]\nurl = \"file://{}\"\n{sections}",
        lake.display()
    );
    put("weir.toml", &weir)
}
