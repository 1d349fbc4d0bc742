use std::collections::BTreeSet;

use proptest::prelude::*;

use super::Coverage;

fn positions(runs: &[[i64; 2]]) -> Vec<i64> {
    runs.iter().flat_map(|[a, b]| *a..*b).collect()
}

proptest! {
    #[test]
    fn marks_are_a_set(marks in prop::collection::vec((-9000i64..20_000, 0i64..9000), 1..20)) {
        let mut coverage = Coverage::default();
        let mut model = BTreeSet::new();
        for (from, len) in marks {
            let mut twice = Vec::new();
            coverage.mark(from, from + len, &mut twice);
            let again: Vec<i64> = (from..from + len).filter(|p| !model.insert(*p)).collect();
            prop_assert_eq!(positions(&twice), again);
        }
        let (mut missing, mut seen) = (Vec::new(), Vec::new());
        coverage.runs(false, -10_000, 30_000, |a, b| missing.push([a, b]));
        coverage.runs(true, -10_000, 30_000, |a, b| seen.push([a, b]));
        prop_assert_eq!(positions(&seen), model.iter().copied().collect::<Vec<_>>());
        let absent: Vec<i64> = (-10_000..30_000).filter(|p| !model.contains(p)).collect();
        prop_assert_eq!(positions(&missing), absent);
    }

    #[test]
    fn records_of_a_message_are_a_set(indexes in prop::collection::vec(1i32..40, 1..60)) {
        let mut coverage = Coverage::default();
        let mut model = BTreeSet::new();
        for index in indexes {
            prop_assert_eq!(coverage.mark_record(7, index), model.insert(index));
        }
        let mut gaps = Vec::new();
        coverage.record_gaps(|offset, [a, b]| {
            assert_eq!(offset, 7);
            gaps.extend(a..b);
        });
        let last = model.last().copied().unwrap_or(0);
        let absent: Vec<i32> = (1..last).filter(|i| !model.contains(i)).collect();
        prop_assert_eq!(gaps, absent);
    }
}
