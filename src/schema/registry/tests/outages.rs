//! What is no answer is an outage, never a verdict.

use super::*;

/// An outage, the word by which it is told, and the metric's outcome.
fn outages() -> Vec<(Said, &'static str, &'static str)> {
    vec![
        (said(500, "oops"), "answers 500", "failed"),
        (
            said(500, json!({"error_code": 50_001})),
            "answers 500 with the error code 50001",
            "failed",
        ),
        (said(503, ""), "answers 503", "failed"),
        (said(401, ""), "does not know the credentials", "denied"),
        (said(403, ""), "refuses the credentials", "denied"),
        (said(429, ""), "fewer requests", "limited"),
        (
            said(404, "<html>no such host</html>"),
            "404 without",
            "failed",
        ),
        (said(200, "<html>log in</html>"), "is no registry", "ok"),
        (said(200, "{}"), "is no registry", "ok"),
        (
            said(200, "late").after(Duration::from_secs(2)),
            "does not answer within 500 ms",
            "unreachable",
        ),
        (
            said(302, "").with("location", "http://127.0.0.1:1/schemas/ids/9"),
            "a redirect",
            "unreachable",
        ),
    ]
}

#[tokio::test]
async fn an_outage_is_waited_out_and_known_ids_flow_on() {
    for (outage, word, outcome) in outages() {
        let mock = Mock::start().await;
        mock.schema(1, TEXT);
        mock.schema(9, TEXT);
        let client = client(&mock.settings());
        known(client.answer(1).await);
        mock.always(Some(outage));
        assert_eq!(client.lookup(9, client.clock.tick()), Lookup::Pending);
        let trouble = client.trouble().await;
        assert!(trouble.contains(word), "{word}: {trouble}");
        assert!(trouble.starts_with("since 20"), "{trouble}");
        assert_eq!(client.lookup(9, client.clock.tick()), Lookup::Pending);
        assert!(matches!(
            client.lookup(1, client.clock.tick()),
            Lookup::Known(_)
        ));
        assert!(client.requests(outcome) > 0, "{word}");
        mock.always(None);
        known(client.answer(9).await);
        assert_eq!(client.registry.trouble(), None, "{word}");
    }
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_an_outage() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let settings = Settings {
        urls: vec![Url::parse(&format!("http://{address}")).unwrap()],
        ..Mock::start().await.settings()
    };
    let client = client(&settings);
    assert_eq!(client.lookup(1, client.clock.tick()), Lookup::Pending);
    let trouble = client.trouble().await;
    assert!(trouble.contains("cannot be reached"), "{trouble}");
    assert!(trouble.contains(&address.to_string()), "{trouble}");
}

/// Nothing that answers is inflated, so that the bound of an answer's bytes is one of memory: the HTTP
/// client is built without decompression, asks for none, and takes bytes as they come.
#[tokio::test]
async fn no_answer_is_decompressed() {
    let mock = Mock::start().await;
    let plain = said(200, json!({"schema": TEXT}));
    let path = "/schemas/ids/1";
    mock.says(path, &[plain.with("content-encoding", "gzip")]);
    let client = client(&mock.settings());
    assert_eq!(&*known(client.answer(1).await).text, TEXT);
    let script = mock.script.lock();
    let asked = script.asked.iter().find(|(asked, _)| asked == path);
    assert!(!asked.unwrap().1.contains_key("accept-encoding"));
}

#[tokio::test]
async fn an_outage_between_two_denials_changes_nothing() {
    let mock = Mock::start().await;
    let denied = not_there(40_403);
    mock.says("/schemas/ids/1", &[denied.clone(), said(500, ""), denied]);
    let client = client(&mock.settings());
    unknown(client.answer(1).await);
    assert_eq!(mock.asked("/schemas/ids/1"), 3);
}

#[tokio::test]
async fn tries_are_spread_and_shared_by_all_that_wait() {
    let mock = Mock::start().await;
    mock.always(Some(said(503, "")));
    let client = client(&mock.settings());
    let seen = client.clock.tick();
    for id in 0..200 {
        assert_eq!(client.lookup(id, seen), Lookup::Pending);
    }
    client.clock.sleep(Duration::from_millis(600)).await;
    // At most four go at once, and all of them wait at least half of 20, 40, 80, 100, 100 … ms.
    let tries = client.requests("failed");
    assert!((4..=60).contains(&tries), "{tries} tries in 600 ms");
}

#[tokio::test]
async fn retry_after_is_honoured_in_seconds_and_as_a_date() {
    for as_date in [false, true] {
        let mock = Mock::start().await;
        let client = client(&mock.settings());
        let in_two_seconds = jiff::Timestamp::from_microsecond(client.clock.now().0).unwrap()
            + jiff::SignedDuration::from_secs(2);
        let after = match as_date {
            false => "1".to_owned(),
            true => in_two_seconds
                .strftime("%a, %d %b %Y %H:%M:%S GMT")
                .to_string(),
        };
        let limited = said(429, "").with("retry-after", after);
        let found = said(200, json!({"schema": TEXT}));
        mock.says("/schemas/ids/1", &[limited, found]);
        let began = client.clock.tick();
        known(client.answer(1).await);
        let waited = client.clock.tick().since(began);
        assert!(
            waited >= Duration::from_millis(900),
            "{as_date}: {waited:?}"
        );
        assert_eq!(mock.asked("/schemas/ids/1"), 2);
    }
}

#[tokio::test]
async fn a_subject_is_not_asked_for_while_the_registry_is_to_be_left_alone() {
    let mock = Mock::start().await;
    let limited = said(429, "").with("retry-after", "1");
    mock.says("/subjects/s/versions", &[limited, said(200, "[1]")]);
    let client = client(&mock.settings());
    let began = client.clock.tick();
    let versions = client.within(async {
        loop {
            match client.registry.versions("s").await {
                Ok(versions) => return versions,
                Err(Failure::Away(away)) => assert!(away.reason.contains("(429)"), "{away:?}"),
                Err(other) => panic!("away, not {other:?}"),
            }
            client.clock.sleep(Duration::from_millis(5)).await;
        }
    });
    assert_eq!(versions.await, [1]);
    assert!(client.clock.tick().since(began) >= Duration::from_millis(900));
    assert_eq!(mock.asked("/subjects/s/versions"), 2);
}

#[tokio::test]
async fn a_path_that_one_server_lacks_is_waited_for_while_another_is_away() {
    let (one, other) = (Mock::start().await, Mock::start().await);
    one.schema(1, TEXT);
    one.says("/schemas/ids/1/versions", &[said(500, "")]);
    let registered = json!([{"subject": "s", "version": 3}]);
    let settings = Settings {
        urls: vec![one.url(), other.url()],
        ..one.settings()
    };
    let client = client(&settings);
    assert_eq!(client.lookup(1, client.clock.tick()), Lookup::Pending);
    client.trouble().await;
    let found = said(200, registered);
    one.says("/schemas/ids/1/versions", &[found]);
    assert_eq!(known(client.answer(1).await).subjects[0].to_string(), "s/3");
}

#[tokio::test]
async fn several_urls_are_tried_in_turn() {
    let (one, other) = (Mock::start().await, Mock::start().await);
    one.always(Some(said(500, "")));
    for id in [1, 2] {
        other.schema(id, TEXT);
        other.says(&format!("/schemas/ids/{id}/versions"), &[said(200, "[]")]);
    }
    let settings = Settings {
        urls: vec![one.url(), other.url()],
        ..one.settings()
    };
    let client = client(&settings);
    known(client.answer(1).await);
    assert_eq!(client.registry.trouble(), None);
    let failed = client.requests("failed");
    known(client.answer(2).await);
    // The one that answered is asked first from then on.
    assert_eq!(one.asked("/schemas/ids/2"), 0);
    assert!(failed >= 1);
}

#[tokio::test]
async fn all_urls_are_told_when_none_answers() {
    let (one, other) = (Mock::start().await, Mock::start().await);
    one.always(Some(said(500, "")));
    other.always(Some(said(401, "")));
    let settings = Settings {
        urls: vec![one.url(), other.url()],
        ..one.settings()
    };
    let client = client(&settings);
    client.lookup(1, client.clock.tick());
    let trouble = client.trouble().await;
    for word in [
        one.address.to_string(),
        other.address.to_string(),
        "answers 500".to_owned(),
        "(401)".to_owned(),
    ] {
        assert!(trouble.contains(&word), "{word}: {trouble}");
    }
}

#[tokio::test]
async fn a_redirect_is_followed_within_the_server_only() {
    let (mock, elsewhere) = (Mock::start().await, Mock::start().await);
    elsewhere.schema(1, TEXT);
    mock.schema(2, TEXT);
    let to = |url: String| said(307, "").with("location", url);
    let away = elsewhere.url().join("/schemas/ids/1").unwrap();
    mock.says("/schemas/ids/1", &[to(away.to_string())]);
    mock.says("/schemas/ids/3", &[to("/schemas/ids/2".to_owned())]);
    let client = client(&Settings {
        auth: Auth::Bearer(Secret("planted-secret".to_owned())),
        ..mock.settings()
    });
    known(client.answer(3).await);
    client.lookup(1, client.clock.tick());
    client.trouble().await;
    assert_eq!(elsewhere.asked("/schemas/ids/1"), 0);
}

#[tokio::test]
async fn credentials_are_shown_to_the_registry_and_to_nobody_else() {
    let secret = "planted-secret";
    let auths = [
        (
            Auth::Basic {
                username: "weir".to_owned(),
                password: Secret(secret.to_owned()),
            },
            "Basic d2VpcjpwbGFudGVkLXNlY3JldA==",
        ),
        (
            Auth::Bearer(Secret(secret.to_owned())),
            "Bearer planted-secret",
        ),
    ];
    for (auth, header) in auths {
        let mock = Mock::start().await;
        mock.schema(1, TEXT);
        let settings = Settings {
            auth,
            ..mock.settings()
        };
        let client = client(&settings);
        known(client.answer(1).await);
        let sent = mock.script.lock().asked[0].1["authorization"].clone();
        assert_eq!(sent.to_str().unwrap(), header);
        // A server that echoes what it was sent.
        let echo = format!("{{\"message\": \"{header} {secret}\"}}");
        let mut told = format!("{settings:?} {:?}", client.registry);
        for status in [200, 401, 404, 500] {
            mock.always(Some(said(status, &echo)));
            client.lookup(u32::from(status), client.clock.tick());
            told.push_str(&client.trouble().await);
            let failure = client.registry.version("s", Wanted::Latest).await;
            let failure = failure.unwrap_err();
            told.push_str(&format!(
                "{failure} {failure:?} {}",
                Error::from(failure.clone())
            ));
        }
        for word in [secret, "d2VpcjpwbGFudGVkLXNlY3JldA"] {
            assert!(!told.contains(word), "{told}");
        }
    }
}
