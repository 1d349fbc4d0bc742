//! Gzip and zstd: whole, in several members, truncated, broken, and as bombs.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const TEXT: &[u8] = b"a,b\n1,2\n3,\"4\n5\"\n6,7\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn pack(packing: Packing, bytes: &[u8]) -> Vec<u8> {
    match packing {
        Packing::Plain => bytes.to_vec(),
        Packing::Gzip => gzip(bytes),
        // with the checksum that the command line tool adds
        Packing::Zstd => {
            let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
            encoder.include_checksum(true).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

fn read_packed(packed: &[u8], packing: Packing, piece: usize) -> Read<Option<Vec<Item>>> {
    let dialect = dialect(|_| ());
    let opened = CsvFile::open(pieces(packed, piece), packing, &dialect, SMALL)?;
    let Some(mut file) = opened else {
        return Ok(None);
    };
    let mut items = Vec::new();
    while let Some(slice) = file.next_slice()? {
        items_of(&slice, &dialect, &mut items);
    }
    Ok(Some(items))
}

#[test]
fn names_tell() {
    assert_eq!(Packing::of("a/b.csv"), Packing::Plain);
    assert_eq!(Packing::of("a/b.csv.gz"), Packing::Gzip);
    assert_eq!(Packing::of("B.CSV.GZ"), Packing::Gzip);
    assert_eq!(Packing::of("b.csv.zst"), Packing::Zstd);
    assert_eq!(Packing::of("gz"), Packing::Plain);
}

#[test]
fn all_members_are_read_and_resumed() {
    let (_, plain) = read_all(TEXT, &dialect(|_| ()), SMALL, 1).unwrap();
    for packing in [Packing::Gzip, Packing::Zstd] {
        let mut packed = Vec::new();
        for part in TEXT.chunks(7) {
            packed.extend_from_slice(&pack(packing, part));
        }
        for piece in [1, 5, 1000] {
            let items = read_packed(&packed, packing, piece).unwrap().unwrap();
            assert_eq!(items, plain);
        }
        let dialect = dialect(|_| ());
        let opened = CsvFile::open(pieces(&packed, 3), packing, &dialect, SMALL);
        let mut file = opened.unwrap().unwrap();
        let head = file.head().clone();
        let (_, ends) = rest(&mut file, &dialect);
        assert_eq!(ends.len(), 3);
        for (before, position) in ends {
            let chunks = pieces(&packed, 4);
            let resumed = CsvFile::resume(chunks, packing, &dialect, SMALL, head.clone(), position);
            let items = rest(&mut resumed.unwrap(), &dialect).0;
            assert_eq!(items, plain[before..]);
        }
    }
}

#[test]
fn a_stream_cut_anywhere_is_the_file_s_fault() {
    for packing in [Packing::Gzip, Packing::Zstd] {
        let packed = pack(packing, TEXT);
        for length in 1..packed.len() {
            match read_packed(&packed[..length], packing, 2) {
                Err(Trouble::File(reason)) => assert!(
                    reason.ends_with("stream ends early: the file is truncated"),
                    "{length}: {reason}"
                ),
                other => panic!("{length}: {other:?}"),
            }
        }
        match read_packed(&pack(packing, &packed), packing, 2) {
            Err(Trouble::File(reason)) => {
                assert_eq!(reason, "the file is packed twice; pack it once");
            }
            other => panic!("{other:?}"),
        }
        assert!(read_packed(b"", packing, 1).unwrap().is_none());
        let mut broken = packed.clone();
        let middle = broken.len() / 2;
        broken[middle] ^= 0x55;
        broken[middle + 1] ^= 0x55;
        assert!(matches!(
            read_packed(&broken, packing, 2),
            Err(Trouble::File(_))
        ));
        let mut trailing = packed;
        trailing.extend_from_slice(b"trailing bytes");
        match read_packed(&trailing, packing, 2) {
            Err(Trouble::File(reason)) => assert!(reason.contains("broken"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_text_that_is_not_packed_is_told_as_that() {
    for (packing, words) in [
        (Packing::Gzip, "it ends in .gz and is not gzip"),
        (Packing::Zstd, "it ends in .zst and is not zstd"),
    ] {
        for piece in [1, 2, 1000] {
            match read_packed(TEXT, packing, piece) {
                Err(Trouble::File(reason)) => assert_eq!(reason, words),
                other => panic!("{other:?}"),
            }
        }
        let other = match packing {
            Packing::Gzip => Packing::Zstd,
            _ => Packing::Gzip,
        };
        match read_packed(&pack(other, TEXT), packing, 1000) {
            Err(Trouble::File(reason)) => assert_eq!(reason, words),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_bomb_takes_no_memory() {
    let mut plain = b"a,b\n".to_vec();
    plain.resize(32 << 20, b'0');
    for packing in [Packing::Gzip, Packing::Zstd] {
        let packed = pack(packing, &plain);
        assert!(packed.len() * 500 < plain.len());
        let dialect = dialect(|keys| keys.max_record_bytes = 1000);
        let opened = CsvFile::open(pieces(&packed, 1000), packing, &dialect, Sizes::default());
        let mut file = opened.unwrap().unwrap();
        let slice = file.next_slice().unwrap().unwrap();
        assert_eq!(slice.faults()[0].code, RejectCode::TooLarge);
        assert!(slice.memory() < 2 << 20, "{}", slice.memory());
        assert!(file.next_slice().unwrap().is_none());
    }
}
