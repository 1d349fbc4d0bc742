//! librdkafka properties that a configuration must not set, each with its reason.
//!
//! Owns: the list of what would break weir's promises, or fight with a key of its own.
//! Does not own: the properties that weir itself sets (`source::kafka`).

/// A property and why it is refused.
const REFUSED: &[(&str, &str)] = &[
    ("auto.commit.enable", OFFSETS),
    (
        "auto.offset.reset",
        "weir decides where a partition begins: set `topics.start` and `topics.on_gap` of the stream",
    ),
    ("auto.commit.interval.ms", OFFSETS),
    ("bootstrap.servers", "set `kafka.brokers`"),
    (
        "check.crcs",
        "weir always checks what the broker sends, since a damaged message must not land",
    ),
    ("consume.callback.max.messages", QUEUE),
    (
        "enable.auto.commit",
        "positions are in the table's log; one that the broker held could run ahead of the data",
    ),
    ("enable.auto.offset.store", OFFSETS),
    (
        "enable.partition.eof",
        "weir sets it: librdkafka would lose a message behind an end that it told",
    ),
    ("fetch.queue.backoff.ms", QUEUE),
    (
        "group.id",
        "set `kafka.group`, which is also shown and logged",
    ),
    (
        "group.protocol",
        "weir's hand-over of partitions is built on the classic protocol with cooperative-sticky",
    ),
    (
        "group.remote.assignor",
        "weir's hand-over of partitions is built on the classic protocol with cooperative-sticky",
    ),
    (
        "isolation.level",
        "weir reads committed messages only; an aborted transaction must not land",
    ),
    ("metadata.broker.list", "set `kafka.brokers`"),
    ("offset.store.method", OFFSETS),
    ("offset.store.path", OFFSETS),
    (
        "partition.assignment.strategy",
        "weir hands partitions over by cooperative-sticky, with a flush before each is given up",
    ),
    ("queued.max.messages.kbytes", QUEUE),
    ("queued.min.messages", QUEUE),
    (
        "statistics.interval.ms",
        "weir sets it: lag and the queue's memory are read from the statistics",
    ),
];

const OFFSETS: &str = "positions are in the table's log, and the broker's are never read";
const QUEUE: &str = "weir sets it from `memory.budget`, which the queue is a part of";

/// Why `property` is refused; `None` if it may be set.
pub fn refusal(property: &str) -> Option<&'static str> {
    REFUSED
        .iter()
        .find(|(name, _)| *name == property)
        .map(|(_, reason)| *reason)
}

/// Every refused property with its reason, for the documentation's test.
pub fn refused() -> impl Iterator<Item = (&'static str, &'static str)> {
    REFUSED.iter().copied()
}
