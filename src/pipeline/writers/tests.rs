use super::*;

#[test]
fn a_subject_is_the_streams_own_or_has_a_strategys_name() {
    let is = |subject| is_named_for(subject, "mine", "orders", Some("com.acme.Order"));
    for taken in [
        "mine",
        "orders-value",
        "com.acme.Order",
        "orders-com.acme.Order",
        ":.context:orders-value",
    ] {
        assert!(is(taken), "{taken}");
    }
    for other in [
        "orders",
        "orders-key",
        "orders2-value",
        "com.acme.Payment",
        "orders-com.acme.Payment",
        "payments-com.acme.Order",
        "Mine",
    ] {
        assert!(!is(other), "{other}");
    }
    assert!(is_named_for("x", ":.context:x", "t", None));
    assert!(!is_named_for("orders-", "x", "orders", None));
}
