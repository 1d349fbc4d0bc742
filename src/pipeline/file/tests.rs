use arrow::array::{
    BinaryArray, DictionaryArray, Float64Array, Int32Array, Int64Array, ListArray, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{Field, Schema, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::statistics::Statistics;
use proptest::prelude::*;

use super::*;

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
}

fn schema() -> SchemaRef {
    let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let items = Arc::new(Field::new("element", DataType::Int32, true));
    Arc::new(Schema::new(vec![
        field("id", DataType::Utf8),
        Field::new("raw", DataType::Binary, true),
        field("amount", DataType::Float64),
        Field::new("list", DataType::List(items), true),
        field("_weir_source", text),
        field("_weir_partition", DataType::Int32),
        field("_weir_offset", DataType::Int64),
        field("_weir_ingested_at", time),
    ]))
}

/// Rows whose origins change after each of `runs`.
fn rows(runs: &[usize], partitions: i32) -> RecordBatch {
    let origins: Vec<i32> = (0..)
        .zip(runs)
        .flat_map(|(n, length)| std::iter::repeat_n(n % partitions, *length))
        .collect();
    let count = origins.len();
    let names: Vec<String> = (0..partitions).map(|n| format!("topic-{n:>70}")).collect();
    let lists = (0..count).map(|n| (n % 5 > 0).then(|| vec![Some(n as i32); n % 5 - 1]));
    let at = origins.iter().map(|n| i64::from(*n) * 1_000_003 - 5);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(
            (0..count).map(|n| format!("id-{n}")),
        )),
        Arc::new(BinaryArray::from_iter(
            (0..count).map(|n| (n % 3 > 0).then_some([0xff, n as u8])),
        )),
        Arc::new(Float64Array::from_iter_values(
            (0..count).map(|n| n as f64 / 3.0),
        )),
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)),
        Arc::new(
            DictionaryArray::try_new(
                Int32Array::from(origins.clone()),
                Arc::new(StringArray::from(names)),
            )
            .unwrap(),
        ),
        Arc::new(Int32Array::from(origins.clone())),
        Arc::new(Int64Array::from_iter_values(0..count as i64)),
        Arc::new(TimestampMicrosecondArray::from_iter_values(at).with_timezone("UTC")),
    ];
    let schema = schema();
    let columns = columns
        .iter()
        .zip(schema.fields())
        .map(|(c, f)| cast(c, f.data_type()).unwrap());
    RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
}

fn written(batches: &[RecordBatch]) -> EncodedFile {
    let mut writer = FileWriter::new(schema(), &batches[0]).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    let estimate = (writer.size(), writer.memory());
    let file = writer.finish().unwrap();
    assert!(estimate.0 > 0 && estimate.1 >= estimate.0);
    let chunks: usize = file.chunks.iter().map(Bytes::len).sum();
    assert_eq!(file.size, chunks as u64);
    file
}

fn read(file: &EncodedFile) -> RecordBatch {
    let bytes = Bytes::from(file.chunks.concat());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

/// What is read is what was written; a dictionary is read as its values.
fn assert_round_trip(batches: &[RecordBatch]) -> EncodedFile {
    let file = written(batches);
    let read = read(&file);
    let whole = concat_batches(&schema(), batches).unwrap();
    assert_eq!(file.rows, whole.num_rows() as u64);
    for (name, want) in whole.schema().fields().iter().zip(whole.columns()) {
        let got = read.column_by_name(name.name()).unwrap();
        let want = cast(want, got.data_type()).unwrap();
        assert_eq!(got.to_data(), want.to_data(), "{}", name.name());
    }
    file
}

fn encodings(file: &EncodedFile, column: usize) -> Vec<Encoding> {
    let groups = file.metadata.row_groups().iter();
    groups.flat_map(|g| g.column(column).encodings()).collect()
}

#[test]
fn own_columns_cost_a_run_and_not_a_row() {
    let file = assert_round_trip(&[rows(&[4000, 100, 3000], 2), rows(&[5000], 1)]);
    let group = file.metadata.row_group(0);
    // Of the leaves, the list has one.
    for own in [4, 5, 7] {
        assert!(group.column(own).compressed_size() < 400, "column {own}");
    }
    assert!(encodings(&file, 6).contains(&Encoding::DELTA_BINARY_PACKED));
    let Some(Statistics::Int32(partitions)) = group.column(5).statistics() else {
        panic!("integers have bounds");
    };
    assert_eq!(
        (partitions.min_opt(), partitions.max_opt()),
        (Some(&0), Some(&1))
    );
    assert_eq!(partitions.null_count_opt(), Some(0));
    let Some(Statistics::Int64(at)) = group.column(7).statistics() else {
        panic!("time stamps have bounds");
    };
    assert_eq!((at.min_opt(), at.max_opt()), (Some(&-5), Some(&999_998)));
}

#[test]
fn row_groups_follow_on_each_other() {
    let batches: Vec<RecordBatch> = (1..40).map(|n| rows(&[7000, n], 3)).collect();
    let file = assert_round_trip(&batches);
    assert_eq!(file.metadata.num_row_groups(), 2);
    let counted: i64 = file
        .metadata
        .row_groups()
        .iter()
        .map(|g| g.num_rows())
        .sum();
    assert_eq!(counted as u64, file.rows);
}

#[test]
fn origins_that_change_with_each_row_are_written_all_the_same() {
    // The first rows promise long runs, and the others break the promise.
    let alternating = vec![1; 3000];
    assert_round_trip(&[
        rows(&[100], 1),
        rows(&alternating, 300),
        rows(&[9, 3, 8, 500], 4),
    ]);
    let file = assert_round_trip(&[rows(&alternating, 300)]);
    assert!(file.size > 0);
}

#[test]
fn pages_are_compressed_and_a_dictionary_stands_first() {
    let fields = vec![
        Field::new("category", DataType::Utf8, true),
        field("text", DataType::Utf8),
    ];
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let part = |from: usize| {
        let category = (from..from + 50_000).map(|n| (n % 7 > 0).then(|| format!("c{}", n % 5)));
        let text = (from..from + 50_000).map(|n| format!("the text of number {n}"));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter(category)),
            Arc::new(StringArray::from_iter_values(text)),
        ];
        RecordBatch::try_new(schema.clone(), columns).unwrap()
    };
    let parts = [part(0), part(50_000), part(100_000)];
    let mut writer = FileWriter::new(schema.clone(), &parts[0]).unwrap();
    for part in &parts {
        writer.write(part).unwrap();
    }
    let estimate = writer.size() as u64;
    let file = writer.finish().unwrap();
    let group = file.metadata.row_group(0);
    for column in group.columns() {
        assert_eq!(column.compression(), pages::compression());
        assert!(column.compressed_size() < column.uncompressed_size() / 2);
    }
    let (category, text) = (group.column(0), group.column(1));
    assert_eq!(category.dictionary_page_offset(), Some(4));
    assert!(category.data_page_offset() > 4);
    assert_eq!(text.dictionary_page_offset(), None);
    // All but the last page of each column is finished, and counts as what it became.
    assert!(estimate < file.size + 2 * PAGE_BYTES as u64, "{estimate}");
    assert_eq!(
        read(&file),
        concat_batches(&read(&file).schema(), &parts).unwrap()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the lengths of the runs, every row has its origin.
    #[test]
    fn runs_of_any_length(
        first in 64_usize..200,
        batches in prop::collection::vec(
            (prop::collection::vec(prop_oneof![1_usize..10, 1_usize..3, 10_usize..300], 1..40), 1..600),
            1..4,
        ),
    ) {
        let mut all = vec![rows(&[first], 1)];
        all.extend(batches.iter().map(|(runs, partitions)| rows(runs, *partitions)));
        assert_round_trip(&all);
    }
}
