//! Steps whose responses are lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcp_stateless::task::{TaskState, TaskStep, TaskStore, TaskStoreError};
use test_support::services::RedisServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::replica::{Replica, quick};
use crate::tasks::new_task;

/// Stands before a server, and cuts the connection instead of passing on the next response when told
/// to.
struct Cutter {
    address: SocketAddr,
    cuts_next: Arc<AtomicBool>,
}

impl Cutter {
    async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let cuts_next = Arc::<AtomicBool>::default();
        let cuts = Arc::clone(&cuts_next);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.expect("a server");
                tokio::spawn(pass(client, server, Arc::clone(&cuts)));
            }
        });
        Self { address, cuts_next }
    }

    fn cut(&self) {
        self.cuts_next.store(true, Ordering::SeqCst);
    }

    /// Requires that a response was cut since the last time.
    fn has_cut(&self) {
        assert!(!self.cuts_next.load(Ordering::SeqCst), "no response was cut");
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, cuts: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let responses = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match from_server.read(&mut buffer).await {
                Ok(length) if length > 0 && !cuts.swap(false, Ordering::SeqCst) => {
                    if to_client.write_all(&buffer[..length]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    };
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        () = responses => {}
    }
}

#[tokio::test]
async fn a_step_whose_response_is_lost_happens_once_and_succeeds() {
    let server = RedisServer::start().await;
    let cutter = Cutter::start(server.port()).await;
    let replica = Replica::new(quick(format!("redis://{}", cutter.address)));
    let store = replica.redis.task_store();
    let step = |version, state| TaskStep {
        version,
        token: Some(1),
        state,
        data: "moved on".into(),
        open: vec![0],
        keep: None,
    };
    // The scripts are loaded first.
    let warm = store.create(new_task("00")).await.expect("created");
    store.advance(&warm.id, step(1, TaskState::Running)).await.expect("moved on");
    store.release(&warm.id, 1).await.expect("released");
    store.take(&warm.id, Duration::from_secs(60)).await.expect("taken");

    cutter.cut();
    let record = store.create(new_task("01")).await.expect("created");
    cutter.has_cut();
    assert!(matches!(store.create(new_task("01")).await, Err(TaskStoreError::Conflict(_))));

    cutter.cut();
    let moved = store.advance(&record.id, step(1, TaskState::Running)).await.expect("moved on");
    cutter.has_cut();
    assert_eq!((moved.version, moved.open), (2, vec![0]));

    cutter.cut();
    store.release(&record.id, 1).await.expect("released");
    cutter.has_cut();
    cutter.cut();
    let taken = store.take(&record.id, Duration::from_secs(60)).await.expect("taken");
    cutter.has_cut();
    assert_eq!(taken.record.token, 2);
    let again = store.take(&record.id, Duration::from_secs(60)).await;
    assert!(matches!(again, Err(TaskStoreError::Leased)), "{again:?}");

    cutter.cut();
    let ended = TaskStep { token: Some(2), ..step(2, TaskState::Completed) };
    assert_eq!(store.advance(&record.id, ended).await.expect("ended").version, 3);
    cutter.has_cut();

    let state = replica.state().await;
    cutter.cut();
    replica.greet(Some(&state)).await.greets_ada().await;
    cutter.has_cut();
    assert_eq!(replica.greet(Some(&state)).await.error().await, (200, -32602));
}
