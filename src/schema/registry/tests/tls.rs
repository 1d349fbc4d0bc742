//! Over TLS: whom the client trusts, and what it shows.
//!
//! The certificates in `tls/` are of this test only, made by openssl for a hundred years: `ca` signed
//! `server` (of 127.0.0.1), `stranger` (of another name) and `client`; `other` signed nothing.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::*;

fn pem(name: &str) -> Vec<u8> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/schema/registry/tests/tls/"
    );
    std::fs::read(format!("{folder}{name}")).unwrap()
}

/// A registry with the id 1 behind `certificate`; with `asks`, it wants a client's certificate of
/// `ca`.
async fn server(certificate: &str, asks: bool) -> Url {
    let ca = CertificateDer::from_pem_slice(&pem("ca.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(ca).unwrap();
    let own = CertificateDer::from_pem_slice(&pem(&format!("{certificate}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&pem(&format!("{certificate}.key"))).unwrap();
    let builder = match asks {
        true => ServerConfig::builder().with_client_cert_verifier(
            WebPkiClientVerifier::builder(Arc::new(roots))
                .build()
                .unwrap(),
        ),
        false => ServerConfig::builder().with_no_client_auth(),
    };
    let config = builder.with_single_cert(vec![own], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(acceptor.clone(), socket));
        }
    });
    Url::parse(&format!("https://{address}")).unwrap()
}

/// One request of a connection; one that cannot be made is the client's to tell.
async fn serve(acceptor: TlsAcceptor, socket: tokio::net::TcpStream) -> Option<()> {
    let mut stream = acceptor.accept(socket).await.ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let body = match head.starts_with(b"GET /schemas/ids/1 ") {
        true => json!({"schema": TEXT}).to_string(),
        false => "[]".to_owned(),
    };
    let length = body.len();
    let answer =
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

fn trusting(url: Url, ca: Option<&str>, identity: Option<&str>) -> Settings {
    let identity = identity.map(|name| Identity {
        pem: [pem(&format!("{name}.pem")), pem(&format!("{name}.key"))].concat(),
    });
    Settings {
        urls: vec![url],
        auth: Auth::None,
        ca: ca.map(pem),
        identity,
        timeout: Duration::from_secs(5),
        cache: None,
    }
}

#[tokio::test]
async fn the_certificates_that_are_named_are_trusted() {
    let url = server("server", false).await;
    let client = client(&trusting(url, Some("ca.pem"), None));
    assert_eq!(&*known(client.answer(1).await).text, TEXT);
}

#[tokio::test]
async fn the_client_s_certificate_is_shown_where_it_is_asked_for() {
    let url = server("server", true).await;
    let shown = client(&trusting(url.clone(), Some("ca.pem"), Some("client")));
    known(shown.answer(1).await);
    let bare = client(&trusting(url, Some("ca.pem"), None));
    assert_eq!(bare.lookup(1, bare.clock.tick()), Lookup::Pending);
    bare.trouble().await;
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_an_outage() {
    let cases = [
        ("server", None, "UnknownIssuer"),
        ("server", Some("other.pem"), ""),
        ("stranger", Some("ca.pem"), "not valid for name"),
    ];
    for (certificate, ca, word) in cases {
        let url = server(certificate, false).await;
        let client = client(&trusting(url, ca, None));
        assert_eq!(client.lookup(1, client.clock.tick()), Lookup::Pending);
        let trouble = client.trouble().await;
        assert!(trouble.contains("invalid peer certificate"), "{trouble}");
        assert!(trouble.contains(word), "{trouble}");
        assert_eq!(client.lookup(1, client.clock.tick()), Lookup::Pending);
    }
}
