//! Servers that sentinels watch.

use std::time::Duration;

use test_support::server::free_port;
use test_support::services::{Directory, RedisServer, program};
use test_support::wait;
use tokio::process::{Child, Command};

use crate::changes::{listener, updated};
use crate::replica::{Replica, command, quick};
use crate::tasks::{keeps_its_contract, new_task};
use mcp_stateless::task::TaskStore;

struct Sentinel {
    port: u16,
    _directory: Directory,
    _process: Child,
}

impl Sentinel {
    async fn start(watched: u16) -> Self {
        Self::start_with(watched, "").await
    }

    /// Starts one with more lines in its configuration.
    async fn start_with(watched: u16, more: &str) -> Self {
        let port = free_port();
        let directory = Directory::new(&format!("sentinel-{port}"));
        let file = directory.path().join("sentinel.conf");
        let configuration = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\n\
             sentinel monitor main 127.0.0.1 {watched} 1\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n{more}",
            directory.path().display(),
        );
        std::fs::write(&file, configuration).expect("a file");
        let mut process = Command::new(program("redis-server"));
        process.arg(&file).arg("--sentinel").stdout(std::process::Stdio::null()).kill_on_drop(true);
        let process = process.spawn().expect("redis-server runs");
        wait::until("the sentinel answers", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        Self { port, _directory: directory, _process: process }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

#[tokio::test]
async fn everything_goes_on_after_a_replica_was_promoted() {
    let mut main = RedisServer::start().await;
    let main_port = main.port().to_string();
    let second = RedisServer::start_with(&["--replicaof", "127.0.0.1", &main_port]).await;
    let sentinel = Sentinel::start(main.port()).await;
    wait::until("the sentinel knows the replica", async || {
        let found: Vec<redis::Value> = command(&sentinel.url(), &["SENTINEL", "REPLICAS", "main"]).await;
        !found.is_empty()
    })
    .await;

    // The first sentinel is not there.
    let url = format!("redis+sentinel://127.0.0.1:{},127.0.0.1:{}/main", free_port(), sentinel.port);
    let quick = || quick(&*url).command_timeout(Duration::from_secs(30));
    let replicas = [0; 2].map(|_| Replica::new(quick()));
    let mut listener = listener(&replicas[0]).await;
    replicas[1].registry.resource_updated("a:1");
    assert_eq!(updated(&mut listener).await, "a:1");
    let store = replicas[0].redis.task_store();
    let record = store.create(new_task("01")).await.expect("created");
    wait::until("the replica has it", async || {
        let keys: Vec<String> = command(&second.url(), &["KEYS", "*:task:*"]).await;
        !keys.is_empty()
    })
    .await;

    main.kill().await;
    assert_eq!(store.read(&record.id).await.expect("read"), record);
    assert_eq!([updated(&mut listener).await, updated(&mut listener).await], ["a:1", "a:2"]);
    replicas[1].is_back().await;
    replicas[1].registry.resource_updated("a:2");
    while updated(&mut listener).await != "a:2" {}
    keeps_its_contract(&url).await;

    // The former server comes back as a replica, which nobody uses.
    main.restart().await;
    store.delete(&record.id).await.expect("deleted");
}

#[tokio::test]
async fn what_is_no_server_for_writes_is_refused_with_the_reason() {
    let main = RedisServer::start().await;
    let port = main.port().to_string();
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]).await;
    let sentinel = Sentinel::start(main.port()).await;
    for (url, reason) in [
        (replica.url(), "this is a replica, which takes no writes"),
        (sentinel.url(), "this is a sentinel, whose URL begins with `redis+sentinel://`"),
        (format!("redis+sentinel://127.0.0.1:{}/other", sentinel.port), "knows no \"other\""),
    ] {
        let error = quick(url).build().expect("valid settings").check().await.expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn sentinels_may_have_another_password_than_their_server() {
    let main = RedisServer::start_with(&["--requirepass", "of-server"]).await;
    let more = "requirepass of-sentinel\nsentinel auth-pass main of-server\n";
    let sentinel = Sentinel::start_with(main.port(), more).await;
    let url = format!("redis+sentinel://:of-server@127.0.0.1:{}/main", sentinel.port);
    let redis = quick(&*url).sentinel_user("default", "of-sentinel").build().expect("valid settings");
    redis.check().await.expect("it is there");
    for wrong in [quick(&*url), quick(&*url).sentinel_user("default", "of-server")] {
        let shown = format!("{wrong:?}");
        let error = wrong.build().expect("valid settings").check().await.expect_err("it is refused");
        for text in [shown, format!("{error:?} {error}")] {
            assert!(!text.contains("of-server") && !text.contains("of-sentinel"), "{text}");
        }
    }
}
