//! Compares threads that share one manager with threads that have one manager each. Only the former
//! are slowed down by writes to shared memory.

use std::io;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use path::Workload;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::Failure;
use crate::client::Era;
use crate::server::runtime;

const THREADS: usize = 2;
/// The length of one measurement.
const TIME: Duration = Duration::from_millis(300);
/// The number of requests between two readings of the clock.
const BETWEEN: u64 = 64;

/// Sends requests until the given time. Returns how many were answered.
type Serve = fn(&Workload, Instant) -> Result<u64, Failure>;

/// Measures both in turn, `rounds` times, and prints the median of the ratios: for calls in memory,
/// and for calls over sockets.
pub(crate) fn compare(rounds: usize) -> Result<(), Failure> {
    for (name, serve) in [("in memory", in_memory as Serve), ("over sockets", over_sockets as Serve)] {
        let mut ratios = Vec::with_capacity(rounds);
        for round in 0..rounds {
            // Alternate which one is first.
            let (shared, apart) = if round % 2 == 0 {
                let shared = requests(true, serve)?;
                (shared, requests(false, serve)?)
            } else {
                let apart = requests(false, serve)?;
                (requests(true, serve)?, apart)
            };
            ratios.push(shared / apart);
        }
        ratios.sort_by(f64::total_cmp);
        let (low, median, high) = (ratios[rounds / 4], ratios[rounds / 2], ratios[rounds * 3 / 4]);
        println!(
            "{THREADS} threads, {name}: one manager serves {median:.3} of what a manager each does \
             (quartiles {low:.3} and {high:.3}, {rounds} rounds)"
        );
    }
    Ok(())
}

/// Returns the requests per second of all threads together.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn requests(is_shared: bool, serve: Serve) -> Result<f64, Failure> {
    let first = Workload::new("add_legacy");
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let threads = (0..THREADS).map(|_| {
            // Only the manager and its tools are shared, never a request.
            let workload = if is_shared { first.beside() } else { Workload::new("add_legacy") };
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                let start = Instant::now();
                let served = serve(&workload, start + TIME)?;
                Ok(served as f64 / start.elapsed().as_secs_f64())
            })
        });
        // Start all threads before joining the first.
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?).sum()
    })
}

#[expect(clippy::unnecessary_wraps, reason = "of the type of all ways to serve")]
fn in_memory(workload: &Workload, end: Instant) -> Result<u64, Failure> {
    let mut served = 0;
    while Instant::now() < end {
        for _ in 0..BETWEEN {
            workload.answer(workload.request());
        }
        served += BETWEEN;
    }
    Ok(served)
}

/// The thread is both client and server, over one loopback connection.
fn over_sockets(workload: &Workload, end: Instant) -> Result<u64, Failure> {
    let service = workload.manager().service(workload.tools().clone());
    runtime()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        let (stream, _) = listener.accept().await?;
        for stream in [&client, &stream] {
            stream.set_nodelay(true)?;
        }
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        let (request, mut reply, mut served) = (Era::Legacy.add(), vec![0; 4096], 0);
        while Instant::now() < end {
            for _ in 0..BETWEEN {
                client.write_all(&request).await?;
                // A reply is small, and hyper sends it in one piece.
                let length = client.read(&mut reply).await?;
                if !reply[..length].ends_with(b"}]}}") {
                    return Err(io::Error::other("an unexpected reply").into());
                }
            }
            served += BETWEEN;
        }
        Ok(served)
    })
}
