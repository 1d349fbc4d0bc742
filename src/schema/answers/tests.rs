use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::clock::Clock;

fn table() -> Table<usize, String> {
    Table::new(String::len)
}

#[test]
fn the_oldest_answer_goes_first_and_a_question_stays() {
    let mut table = table();
    table.begin(0);
    assert!(!table.is_free(0));
    for key in 1..=ANSWERS + 1 {
        table.begin(key);
        table.put(key, "x".to_owned());
    }
    assert!(!table.is_free(0));
    assert_eq!((table.get(1), table.get(2)), (None, Some(&"x".to_owned())));
    assert_eq!((table.order.len(), table.bytes), (ANSWERS, ANSWERS));
    table.begin(9);
    table.put(9, "x".repeat(BYTES));
    assert_eq!((table.order.len(), table.bytes), (1, BYTES));
    // The one that is asked for, and the one that is known.
    assert_eq!((table.slots.len(), table.questions), (2, 1));
}

#[test]
fn an_answer_replaces_the_one_before_which_is_there_until_then() {
    let mut table = table();
    table.begin(1);
    table.put(1, "old".to_owned());
    table.begin(1);
    assert_eq!(table.get(1), Some(&"old".to_owned()));
    table.put(1, "newer".to_owned());
    assert_eq!(table.get(1), Some(&"newer".to_owned()));
    assert_eq!((table.order.len(), table.bytes, table.questions), (1, 5, 0));
}

#[tokio::test]
async fn questions_without_answers_are_bounded_and_all_have_their_turn() {
    let answers = Answers::<usize, usize>::new(|_| 8).unwrap();
    let open = Arc::new(tokio::sync::Semaphore::new(0));
    let asked = Arc::new(AtomicUsize::new(0));
    let find = |key: usize| {
        answers.find(
            key,
            |answer| Some(*answer),
            |_| {
                asked.fetch_add(1, Ordering::Relaxed);
                let open = open.clone();
                async move {
                    let _ = open.acquire().await;
                    key
                }
            },
        )
    };
    let many = QUESTIONS + 100;
    for key in (0..many).chain(0..many) {
        assert_eq!(find(key), None);
    }
    assert_eq!(asked.load(Ordering::Relaxed), QUESTIONS);
    open.add_permits(1);
    let all = futures::future::join_all((0..many).map(|key| answers.wait(move || find(key))));
    let found = Clock::system().timeout(Duration::from_secs(10), all).await;
    assert_eq!(found, Some((0..many).collect()));
    assert_eq!(asked.load(Ordering::Relaxed), many);
}
