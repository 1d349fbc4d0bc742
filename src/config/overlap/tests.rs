use proptest::prelude::*;
use regex::Regex;

use super::common_name;

#[test]
fn a_common_name_is_the_shortest() {
    let cases = [
        ("^orders-.*", "^orders-.*", Some("orders-")),
        ("^orders-.*", "^.*-eu$", Some("orders-eu")),
        ("^orders-", "^orders-eu-", Some("orders-eu-")),
        ("^orders$", "^order.$", Some("orders")),
        ("^a", "^ab|c$", Some("ab")),
        ("^a", "^b", None),
        ("^orders-[0-9]+$", "^orders-[a-z]+$", None),
        ("^orders$", "^orders-", None),
        ("^orders-eu$", "^orders-us$", None),
        // what no topic can be named
        ("^a b", "^a", None),
        ("^é", "^.", None),
        ("^$", "^", None),
        (r"^\.$", "^.", None),
        (r"^\.\.$", "^.", None),
        ("^(?i)ORDERS$", "^orders$", Some("orders")),
        (r"^\w+\b-x$", "^a-x", Some("a-x")),
        // the first dash is the last
        ("^[^-]*-eu$", "^x-[^-]*-eu$", None),
    ];
    for (one, other, name) in cases {
        assert_eq!(common_name(one, other).as_deref(), name, "{one} {other}");
        assert_eq!(common_name(other, one).is_some(), name.is_some());
    }
}

#[test]
fn a_pattern_beyond_all_measure_is_left_open() {
    assert_eq!(common_name("^(a|b)*a(a|b){40}$", "^a"), None);
}

proptest! {
    /// What is found is matched by both, and what both match is found.
    #[test]
    fn agrees_with_matching(
        one in r"\^[ab.\-]{0,3}(\*|\$|\[ab\]\+|\(a\|b\$\))?",
        other in r"\^[ab.\-]{0,3}(\*|\$|\[ab\]\+|\(a\|b\$\))?",
        names in proptest::collection::vec("[abc-]{1,5}", 20),
    ) {
        let (Ok(first), Ok(second)) = (Regex::new(&one), Regex::new(&other)) else {
            return Ok(());
        };
        let found = common_name(&one, &other);
        if let Some(name) = &found {
            prop_assert!(first.is_match(name) && second.is_match(name), "{one} {other}: {name}");
        }
        if let Some(name) = names.iter().find(|n| first.is_match(n) && second.is_match(n)) {
            prop_assert!(found.is_some(), "{one} {other}: {name}");
        }
    }
}
