use super::*;

#[test]
fn segments_that_join_count() {
    assert_eq!(chain(vec![]), []);
    assert_eq!(chain(vec![(61, 80), (0, 60)]), [(0, 60), (61, 80)]);
}

#[test]
fn of_segments_that_overlap_those_that_reach_furthest_count() {
    assert_eq!(chain(vec![(0, 60), (0, 99)]), [(0, 99)]);
    assert_eq!(
        chain(vec![(0, 60), (61, 120), (0, 99)]),
        [(0, 60), (61, 120)]
    );
    let all = vec![(0, 60), (61, 160), (0, 99), (100, 199), (200, 299)];
    assert_eq!(chain(all), [(0, 99), (100, 199), (200, 299)]);
    assert_eq!(chain(vec![(0, 49), (50, 99), (0, 99)]), [(0, 99)]);
}

#[test]
fn a_lost_segment_leaves_a_gap() {
    let left = vec![(0, 9), (20, 29), (30, 39)];
    assert_eq!(chain(left.clone()), left);
}
