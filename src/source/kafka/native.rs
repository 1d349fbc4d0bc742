//! What `rdkafka` does not wrap: batches from a queue of our own, topic ids, leader epochs.
//!
//! Owns: the only unsafe code of the project, behind a safe face. Does not own: what is done with a
//! message (`consumer`).
//!
//! Why unsafe at all: a message at a time through `BaseConsumer::poll` costs a quarter more CPU
//! than librdkafka's batch call; the ids that tell a recreated topic from the old one, and the epochs
//! that tell a truncated log, are in librdkafka and not in `rdkafka`.
#![allow(
    unsafe_code,
    reason = "the one file that may call librdkafka itself; see the module's text"
)]

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use crate::source::kafka::TopicPartition;
use crate::source::kafka::context::Context;

#[cfg(test)]
mod tests;

/// A queue that partitions' messages, and their errors, are led into.
///
/// A partition that is not polled stays in librdkafka's queue, whose size bounds what is fetched:
/// back pressure without pausing, which would throw away what is fetched already.
pub(super) struct MessageQueue {
    queue: NonNull<native::rd_kafka_queue_t>,
    /// Room for the messages of one call; null outside of it.
    slots: Vec<*mut native::rd_kafka_message_t>,
    /// librdkafka wants its queues gone before the client.
    consumer: Arc<BaseConsumer<Context>>,
}

// SAFETY: librdkafka's queues may be used from any thread, and `slots` holds nothing between calls.
unsafe impl Send for MessageQueue {}

/// A message, or an error of one partition.
pub(super) struct NativeMessage<'a> {
    message: NonNull<native::rd_kafka_message_t>,
    lives: PhantomData<&'a native::rd_kafka_message_t>,
}

/// Messages that librdkafka gets back, whatever happens to the caller.
struct Taken<'a>(&'a mut [*mut native::rd_kafka_message_t]);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        for slot in self.0.iter_mut() {
            let message = std::mem::replace(slot, ptr::null_mut());
            if !message.is_null() {
                // SAFETY: it came from the batch call and is given back once, since its slot is
                // null from here on.
                unsafe { native::rd_kafka_message_destroy(message) };
            }
        }
    }
}

impl MessageQueue {
    /// A queue of `consumer`; a call to [`MessageQueue::consume`] gives at most `batch` messages.
    /// `None` if librdkafka makes none.
    pub(super) fn new(consumer: Arc<BaseConsumer<Context>>, batch: usize) -> Option<Self> {
        // SAFETY: the client lives as long as `consumer`, which is held beside the queue.
        let queue = unsafe { native::rd_kafka_queue_new(consumer.client().native_ptr()) };
        Some(Self {
            queue: NonNull::new(queue)?,
            slots: vec![ptr::null_mut(); batch],
            consumer,
        })
    }

    /// From now on what is fetched of `partition` comes out of this queue. To be called before the
    /// partition is assigned; false if librdkafka does not know such a partition.
    pub(super) fn lead_in(&self, partition: &TopicPartition) -> bool {
        let Ok(topic) = CString::new(&*partition.topic) else {
            return false;
        };
        // SAFETY: the client is alive, the name is a C string; the partition's queue is given back
        // after its forwarding is set, which librdkafka keeps on the partition itself.
        unsafe {
            let from = native::rd_kafka_queue_get_partition(
                self.consumer.client().native_ptr(),
                topic.as_ptr(),
                partition.partition,
            );
            if from.is_null() {
                return false;
            }
            native::rd_kafka_queue_forward(from, self.queue.as_ptr());
            native::rd_kafka_queue_destroy(from);
        }
        true
    }

    /// Hands what is there, at most one batch, to `each` without waiting; returns how much it was.
    pub(super) fn consume(&mut self, mut each: impl FnMut(&NativeMessage<'_>)) -> usize {
        // SAFETY: the queue is alive, and `slots` has room for as many pointers as is said.
        let taken = unsafe {
            native::rd_kafka_consume_batch_queue(
                self.queue.as_ptr(),
                0,
                self.slots.as_mut_ptr(),
                self.slots.len(),
            )
        };
        let taken = usize::try_from(taken).unwrap_or(0).min(self.slots.len());
        let taken = Taken(&mut self.slots[..taken]);
        for slot in taken.0.iter() {
            if let Some(message) = NonNull::new(*slot) {
                each(&NativeMessage {
                    message,
                    lives: PhantomData,
                });
            }
        }
        taken.0.len()
    }
}

impl Drop for MessageQueue {
    fn drop(&mut self) {
        // SAFETY: it was made in `new` and is destroyed once, before the client that it belongs to.
        unsafe { native::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

impl NativeMessage<'_> {
    fn get(&self) -> &native::rd_kafka_message_t {
        // SAFETY: `Taken` holds the message for as long as `self` is lent out.
        unsafe { self.message.as_ref() }
    }

    /// Tells topics apart within one batch, without a look at the name.
    pub(super) fn topic_key(&self) -> usize {
        self.get().rkt as usize
    }

    /// The topic's name.
    pub(super) fn topic(&self) -> &str {
        let topic = self.get().rkt;
        if topic.is_null() {
            return "";
        }
        // SAFETY: a message holds its topic, whose name is a C string that lives as long.
        let name = unsafe { CStr::from_ptr(native::rd_kafka_topic_name(topic)) };
        name.to_str().unwrap_or("")
    }

    /// The partition's number.
    pub(super) fn partition(&self) -> i32 {
        self.get().partition
    }

    /// The offset; for the end of a partition the one behind its last message.
    pub(super) fn offset(&self) -> i64 {
        self.get().offset
    }

    /// What went wrong, where this is no message.
    pub(super) fn error(&self) -> Option<RDKafkaErrorCode> {
        let error = self.get().err;
        (error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| error.into())
    }

    /// The key; `None` is a null key.
    pub(super) fn key(&self) -> Option<&[u8]> {
        let message = self.get();
        // SAFETY: librdkafka says that `key_len` bytes are at `key` unless it is null.
        unsafe { bytes(message.key, message.key_len) }
    }

    /// The value; `None` is a tombstone. To be asked of messages only.
    pub(super) fn value(&self) -> Option<&[u8]> {
        let message = self.get();
        // SAFETY: librdkafka says that `len` bytes are at `payload` unless it is null.
        unsafe { bytes(message.payload, message.len) }
    }

    /// The value of the last header of that name; `None` if there is none, or its value is null.
    pub(super) fn header(&self, name: &CStr) -> Option<&[u8]> {
        let mut headers = ptr::null_mut();
        let (mut value, mut length) = (ptr::null(), 0);
        // SAFETY: the message is alive and keeps its headers; the others are only written to, and
        // the value only where the call says that there is one.
        unsafe {
            let message = self.message.as_ptr();
            let found = native::rd_kafka_message_headers(message, &mut headers);
            if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return None;
            }
            let found =
                native::rd_kafka_header_get_last(headers, name.as_ptr(), &mut value, &mut length);
            if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return None;
            }
            bytes(value, length)
        }
    }

    /// The broker's or the producer's time stamp, milliseconds; -1 where there is none.
    pub(super) fn timestamp_ms(&self) -> i64 {
        let mut kind = native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive, and the kind is only written to.
        let ms = unsafe { native::rd_kafka_message_timestamp(self.message.as_ptr(), &mut kind) };
        match kind {
            native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => -1,
            _ => ms,
        }
    }

    /// The leader epoch that it was written in; `None` where the broker does not tell.
    pub(super) fn leader_epoch(&self) -> Option<i32> {
        // SAFETY: the message is alive.
        let epoch = unsafe { native::rd_kafka_message_leader_epoch(self.message.as_ptr()) };
        (epoch >= 0).then_some(epoch)
    }
}

/// # Safety
/// Unless it is null, `len` bytes have to lie at `at` and stay for `'a`.
unsafe fn bytes<'a>(at: *const std::ffi::c_void, len: usize) -> Option<&'a [u8]> {
    if at.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    Some(unsafe { std::slice::from_raw_parts(at.cast::<u8>(), len) })
}

/// What librdkafka makes for one request for topic ids, given back at the end.
struct Request {
    topics: *mut native::rd_kafka_TopicCollection_t,
    options: *mut native::rd_kafka_AdminOptions_t,
    queue: *mut native::rd_kafka_queue_t,
    event: *mut native::rd_kafka_event_t,
}

impl Drop for Request {
    fn drop(&mut self) {
        // SAFETY: each was made for this request, is destroyed once, and may be null only where
        // it is asked for.
        unsafe {
            if !self.event.is_null() {
                native::rd_kafka_event_destroy(self.event);
            }
            native::rd_kafka_TopicCollection_destroy(self.topics);
            native::rd_kafka_AdminOptions_destroy(self.options);
            native::rd_kafka_queue_destroy(self.queue);
        }
    }
}

/// The ids of `topics`, as the broker writes them (base64); a topic that does not exist is left
/// out, one of a broker without ids is `None`.
///
/// # Errors
/// The broker did not answer within `timeout`.
pub(super) fn topic_ids(
    consumer: &BaseConsumer<Context>,
    topics: &[Arc<str>],
    timeout: Duration,
) -> Result<HashMap<Arc<str>, Option<String>>, RDKafkaErrorCode> {
    let names: Vec<CString> = topics
        .iter()
        .filter_map(|t| CString::new(&**t).ok())
        .collect();
    let mut pointers: Vec<_> = names.iter().map(|n| n.as_ptr()).collect();
    let ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let broker = connected_broker(consumer, &topics[0], timeout)?;
    let client = consumer.client().native_ptr();
    // SAFETY: the client is alive for the call; the names outlive the collection's making, which
    // copies them; what is made is owned by `request`.
    unsafe {
        let mut request = Request {
            topics: native::rd_kafka_TopicCollection_of_topic_names(
                pointers.as_mut_ptr(),
                pointers.len(),
            ),
            options: native::rd_kafka_AdminOptions_new(
                client,
                native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
            ),
            queue: native::rd_kafka_queue_new(client),
            event: ptr::null_mut(),
        };
        native::rd_kafka_AdminOptions_set_request_timeout(request.options, ms, ptr::null_mut(), 0);
        native::rd_kafka_AdminOptions_set_broker(request.options, broker, ptr::null_mut(), 0);
        native::rd_kafka_DescribeTopics(client, request.topics, request.options, request.queue);
        // A little longer than the request itself, which answers with its own time-out.
        request.event = native::rd_kafka_queue_poll(request.queue, ms.saturating_add(1000));
        if request.event.is_null() {
            return Err(RDKafkaErrorCode::OperationTimedOut);
        }
        let error = native::rd_kafka_event_error(request.event);
        if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(error.into());
        }
        let result = native::rd_kafka_event_DescribeTopics_result(request.event);
        if result.is_null() {
            return Err(RDKafkaErrorCode::Fail);
        }
        let mut count = 0;
        let descriptions = native::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        let mut ids = HashMap::with_capacity(count);
        for at in 0..count {
            let description = *descriptions.add(at);
            let error = native::rd_kafka_TopicDescription_error(description);
            let code = match error.is_null() {
                true => RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
                false => native::rd_kafka_error_code(error),
            };
            match code {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {}
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => continue,
                code => return Err(code.into()),
            }
            let name = CStr::from_ptr(native::rd_kafka_TopicDescription_name(description));
            let id = native::rd_kafka_TopicDescription_topic_id(description);
            let id = CStr::from_ptr(native::rd_kafka_Uuid_base64str(id));
            let id = id.to_string_lossy().into_owned();
            ids.insert(
                name.to_string_lossy().as_ref().into(),
                (!is_nil(&id)).then_some(id),
            );
        }
        Ok(ids)
    }
}

/// The id of a broker that just answered. Left to itself librdkafka asks the controller, which it
/// may have no connection to, and which its mock cluster does not have.
fn connected_broker(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    timeout: Duration,
) -> Result<i32, RDKafkaErrorCode> {
    let metadata = consumer
        .fetch_metadata(Some(topic), timeout)
        .map_err(|e| e.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail))?;
    let answered = metadata.orig_broker_id();
    let mut ids = metadata.brokers().iter().map(|b| b.id());
    let first = metadata.brokers().first().map(|b| b.id());
    ids.find(|id| *id == answered)
        .or(first)
        .ok_or(RDKafkaErrorCode::BrokerNotAvailable)
}

/// True for the id of a broker that has no topic ids: sixteen zero bytes.
fn is_nil(id: &str) -> bool {
    id.bytes().all(|b| b == b'A' || b == b'=')
}
