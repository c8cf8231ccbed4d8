//! Ways to a server: TLS, users, and what is refused.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use test_support::services::RedisServer;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::changes::{listener, updated};
use crate::replica::{Replica, command, quick};
use crate::tasks::keeps_its_contract;

/// What a user of this crate may do, as the documentation says.
const RIGHTS: [&str; 5] = ["~{test}:*", "&{test}:*", "+@all", "-@dangerous", "-@admin"];

async fn with_user() -> RedisServer {
    let server = RedisServer::start().await;
    let user = ["ACL", "SETUSER", "tracker", "on", ">s/cret@"];
    let words: Vec<&str> = user.into_iter().chain(RIGHTS).collect();
    assert_eq!(command::<String>(&server.url(), &words).await, "OK");
    server
}

#[tokio::test]
async fn a_user_needs_the_rights_that_the_documentation_names() {
    let server = with_user().await;
    let url = server.url().replace("://", "://tracker:s%2Fcret%40@");
    keeps_its_contract(&url).await;
    let replicas = [0; 2].map(|_| Replica::new(quick(&*url)));
    let mut listener = listener(&replicas[0]).await;
    replicas[1].registry.resource_updated("a:1");
    assert_eq!(updated(&mut listener).await, "a:1");
    let state = replicas[0].state().await;
    replicas[1].greet(Some(&state)).await.greets_ada().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_without_being_shown() {
    let server = with_user().await;
    let url = server.url().replace("://", "://tracker:wrong@");
    let redis = quick(url).build().expect("valid settings");
    let error = redis.check().await.expect_err("it is wrong");
    assert!(error.to_string().contains("authentication failed"), "{error}");
    assert!(!format!("{error:?} {error} {redis:?}").contains("wrong@"), "{error}");
}

#[tokio::test]
async fn a_connection_is_encrypted_and_its_server_certified() {
    let mut params = CertificateParams::new([]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("a certificate").pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = certificate.signed_by(&key, &issuer).expect("a certificate");

    let directory = test_support::services::Directory::new("redis-tls");
    let file = |name: &str, text: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let (chain, key) = (file("chain.pem", certificate.pem()), file("key.pem", key.serialize_pem()));
    let root = file("root.pem", authority.clone());
    let port = test_support::server::free_port().to_string();
    let tls = ["--tls-port", &port, "--tls-cert-file", &chain, "--tls-key-file", &key];
    let more = ["--tls-ca-cert-file", &root, "--tls-auth-clients", "no"];
    let _server = RedisServer::start_with(&[&tls[..], &more[..]].concat()).await;

    let url = format!("rediss://localhost:{port}");
    let replicas = [0; 2].map(|_| Replica::new(quick(&*url).root_certificates(authority.clone())));
    let mut listener = listener(&replicas[0]).await;
    replicas[1].registry.resource_updated("a:1");
    assert_eq!(updated(&mut listener).await, "a:1");

    let stranger = quick(&*url).build().expect("valid settings");
    let error = stranger.check().await.expect_err("nobody vouches for it");
    assert!(error.to_string().to_lowercase().contains("certificate"), "{error}");
    let other_name = format!("rediss://127.0.0.1:{port}");
    let other_name = quick(other_name).root_certificates(authority).build().expect("valid settings");
    assert!(other_name.check().await.is_err());
}

#[tokio::test]
async fn the_first_server_that_can_be_used_is_used() {
    let mut first = RedisServer::start().await;
    let second = RedisServer::start().await;
    let url = format!("redis://127.0.0.1:{},127.0.0.1:{}", first.port(), second.port());
    let redis = quick(url).build().expect("valid settings");
    redis.check().await.expect("a server");
    first.kill().await;
    redis.check().await.expect("another server");
}

/// A server that says that it has a version, and that all is well. Returns its port.
async fn of_version(version: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut socket = BufReader::new(socket);
                while let Some(words) = command_in(&mut socket).await {
                    let reply = match &*words[0].to_uppercase() {
                        "HELLO" => format!("*2\r\n$7\r\nversion\r\n${}\r\n{version}\r\n", version.len()),
                        "EXISTS" => ":0\r\n".to_owned(),
                        _ => "+OK\r\n".to_owned(),
                    };
                    socket.write_all(reply.as_bytes()).await.expect("the client is there");
                }
            });
        }
    });
    port
}

/// Reads a command: an array of strings.
async fn command_in(socket: &mut BufReader<tokio::net::TcpStream>) -> Option<Vec<String>> {
    let length = async |socket: &mut BufReader<_>, kind: char| {
        let mut line = String::new();
        socket.read_line(&mut line).await.ok()?;
        line.trim_end().strip_prefix(kind)?.parse::<usize>().ok()
    };
    let mut words = Vec::new();
    for _ in 0..length(socket, '*').await? {
        let mut word = vec![0; length(socket, '$').await? + 2];
        socket.read_exact(&mut word).await.ok()?;
        words.push(String::from_utf8_lossy(&word[..word.len() - 2]).into_owned());
    }
    Some(words)
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused_with_its_version() {
    for (version, is_used) in
        [("6.2.14", false), ("", false), ("unknown", false), ("7.0.0", true), ("8.1.1", true), ("10.0", true)]
    {
        let port = of_version(version).await;
        let redis = quick(format!("redis://127.0.0.1:{port}")).build().expect("valid settings");
        let checked = redis.check().await;
        assert_eq!(checked.is_ok(), is_used, "{version}: {checked:?}");
        if let Err(error) = checked {
            let expected = format!("this is Redis {version}, but 7 or newer is needed");
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }
}
