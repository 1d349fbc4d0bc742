//! The demo's CSV file: older orders, a fiftieth of them bad, each in one of seven ways.
//!
//! Owns: its rows. Does not own: dropping it (`setup`).

/// Records of the file.
pub(super) const ROWS: u64 = 700;

/// One record in this many is bad.
const BAD_EVERY: u64 = 50;

/// The columns, in another order than the schema's fields.
const HEADER: &str = "order_id,created_at,customer_id,category,amount,currency,gift,note";

/// The file: cells with commas, quotes and line ends among them.
pub(super) fn file() -> String {
    let rows = (0..ROWS).map(row);
    std::iter::once(HEADER.to_owned())
        .chain(rows)
        .map(|line| line + "\n")
        .collect()
}

fn row(n: u64) -> String {
    let id = format!("h-{n:06}");
    let time = format!(
        "2025-{:02}-{:02}T{:02}:00:00Z",
        n % 12 + 1,
        n % 28 + 1,
        n % 24
    );
    let amount = format!("{}.{:02}", n * 7919 % 900 + 1, n * 31 % 100);
    let currency = ["EUR", "USD", "GBP", "SEK"][(n % 4) as usize];
    let note = [
        "\"by the \"\"back\"\" door, please\"",
        "\"first line\nsecond line\"",
        "",
        "\"\"",
    ];
    let note = note[(n / 4 % 4) as usize];
    let good = format!("{id},{time},{n},books,{amount},{currency},false,{note}");
    if n % BAD_EVERY != 13 {
        return good;
    }
    match n / BAD_EVERY % 7 {
        0 => format!("{id},{time},{n},books,12.345,{currency},false,"),
        1 => format!("{id},{time},forty-two,books,{amount},{currency},false,"),
        2 => format!("{id},{time},{n},books,{amount},DOGE,false,"),
        3 => format!("{id},2025-02-30T00:00:00Z,{n},books,{amount},{currency},false,"),
        4 => format!(",{time},{n},books,{amount},{currency},false,"),
        5 => format!("{id},{time},{n}"),
        _ => format!("{id},{time},{n},\"books\"?,{amount},{currency},false,"),
    }
}
