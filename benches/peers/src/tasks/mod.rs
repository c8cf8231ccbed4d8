//! Measures the life of a task: its creation, questions about it, its end. Tasks are stored in the
//! server's process, or in Redis.

mod redis;
mod request;

use std::{io, time::Duration};

use self::redis::Redis;
use crate::{
    compare::median,
    http::Http,
    load::{Load, Request, TaskLoad, TaskRequests, Until},
    process::{Cores, Server},
    window::{Cpu, Latency, Spent, Times},
};

const CALLERS: [usize; 2] = [1, 32];

/// Where tasks are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Store {
    InProcess,
    Redis,
}

/// What is repeated in a window.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// A call that becomes no task, with the same client and server.
    Call,
    /// A question about a task whose tool waits.
    Working,
    /// A question about a task that has its result.
    Completed,
    /// A whole task: the call that creates it, and questions until it is completed.
    Task,
}

/// The result of one window.
struct Sample {
    /// CPU time of the server, of each call, question or task.
    cpu: Cpu,
    /// CPU time of Redis, in microseconds.
    redis: f64,
    latency: Latency,
    /// From a call until its task is created.
    creation: Option<Latency>,
    /// The number of questions about each task.
    gets: f64,
}

/// Runs the measurements and prints them. `url` is that of the Redis to use; without one, a Redis is
/// started. It shares the server's core.
pub(crate) fn run(url: Option<&str>, times: &Times, cores: Cores) -> io::Result<()> {
    println!("\n### The life of a task\n");
    println!(
        "| callers | store | | CPU of the server, µs | in user space | CPU of Redis, µs | p50, µs | p99, µs |"
    );
    println!("|--:|---|---|--:|--:|--:|--:|--:|");
    let mut commands = Vec::new();
    for callers in CALLERS {
        for store in [Store::InProcess, Store::Redis] {
            let mut samples = Subject::ALL.map(|_| Vec::new());
            for _ in 0..times.rounds {
                let mut redis = store.open(url, cores)?;
                for (subject, samples) in Subject::ALL.into_iter().zip(&mut samples) {
                    samples.push(measure(subject, redis.as_mut(), callers, times, cores)?);
                }
            }
            for (subject, samples) in Subject::ALL.into_iter().zip(&samples) {
                print(&format!("| {callers} | {}", store.name()), subject, samples);
            }
        }
        if let Some(mut redis) = Store::Redis.open(url, cores)? {
            commands.push(count_commands(&mut redis, callers, times, cores)?);
        }
    }
    println!();
    for line in commands {
        println!("{line}");
    }
    Ok(())
}

impl Store {
    fn name(self) -> &'static str {
        match self {
            Self::InProcess => "in the process",
            Self::Redis => "Redis",
        }
    }

    fn open(self, url: Option<&str>, cores: Cores) -> io::Result<Option<Redis>> {
        match self {
            Self::InProcess => Ok(None),
            Self::Redis => Redis::open(url, cores).map(Some),
        }
    }
}

impl Subject {
    const ALL: [Self; 4] = [Self::Call, Self::Working, Self::Completed, Self::Task];

    fn title(self) -> &'static str {
        match self {
            Self::Call => "`add`, no task",
            Self::Working => "`tasks/get`, working",
            Self::Completed => "`tasks/get`, completed",
            Self::Task => "`add` as a task, until completed",
        }
    }
}

/// Prints the medians.
fn print(start: &str, subject: Subject, samples: &[Sample]) {
    let of = |member: fn(&Sample) -> f64| median(samples.iter().map(member).collect());
    if subject == Subject::Task {
        let of = |member: fn(&Latency) -> f64| {
            median(samples.iter().filter_map(|sample| sample.creation.as_ref()).map(member).collect())
        };
        let (p50, p99) = (of(|latency| latency.p50), of(|latency| latency.p99));
        println!("{start} | `add` as a task, until created | | | | {p50:.1} | {p99:.1} |");
    }
    let (cpu, user) = (of(|sample| sample.cpu.all), of(|sample| sample.cpu.user));
    let (redis, gets) = (of(|sample| sample.redis), of(|sample| sample.gets));
    let (p50, p99) = (of(|sample| sample.latency.p50), of(|sample| sample.latency.p99));
    let title = match subject {
        Subject::Task => format!("{}, with {gets:.1} × `tasks/get`", subject.title()),
        _ => subject.title().to_owned(),
    };
    println!("{start} | {title} | {cpu:.1} | {user:.1} | {redis:.1} | {p50:.1} | {p99:.1} |");
}

fn start(redis: Option<&Redis>, cores: Cores) -> io::Result<Server> {
    match redis {
        Some(redis) => Server::of_this_program(&["serve-tasks", "--redis", redis.url()], cores),
        None => Server::of_this_program(&["serve-tasks"], cores),
    }
}

fn measure(
    subject: Subject,
    redis: Option<&mut Redis>,
    callers: usize,
    times: &Times,
    cores: Cores,
) -> io::Result<Sample> {
    let server = start(redis.as_deref(), cores)?;
    let requests = match subject {
        Subject::Call => vec![request::call("add")],
        Subject::Working => create(&server, "wait", "working", callers)?,
        Subject::Completed => create(&server, "add_kept", "completed", callers)?,
        Subject::Task => return measure_tasks(&server, redis, callers, times),
    };
    let mut load = Load::connect(server.addr(), Http::Http1, &requests, callers)?;
    load.run(Until::Elapsed(times.warm_up))?;
    let meter = Meter::start(&server, redis)?;
    let run = load.run(Until::Elapsed(times.window))?;
    let (cpu, redis) = meter.each_of(run.latencies.len())?;
    Ok(Sample { cpu, redis, latency: Latency::of(run.latencies)?, creation: None, gets: 0.0 })
}

#[expect(clippy::cast_precision_loss)]
fn measure_tasks(
    server: &Server,
    redis: Option<&mut Redis>,
    callers: usize,
    times: &Times,
) -> io::Result<Sample> {
    let call = request::call("add_task");
    let mut load = TaskLoad::connect(server.addr(), requests(&call), callers)?;
    // Until as many tasks expire as are created.
    load.run(times.warm_up.max(Duration::from_millis(2100)))?;
    let meter = Meter::start(server, redis)?;
    let run = load.run(times.window)?;
    let tasks = run.completed.len();
    let (cpu, redis) = meter.each_of(tasks)?;
    let creation = Some(Latency::of(run.created)?);
    let gets = run.gets as f64 / tasks as f64;
    Ok(Sample { cpu, redis, latency: Latency::of(run.completed)?, creation, gets })
}

fn requests(call: &Request) -> TaskRequests<'_> {
    TaskRequests { call, get: request::get, result: r#""text":"42""# }
}

/// Creates tasks, and waits until all have this status. Returns requests that ask about them.
fn create(server: &Server, tool: &str, status: &str, count: usize) -> io::Result<Vec<Request>> {
    let mut load = Load::connect(server.addr(), Http::Http1, &[request::call(tool)], 1)?;
    let mut requests = Vec::with_capacity(count);
    for _ in 0..count {
        let created: serde_json::Value = serde_json::from_slice(&load.probe()?.body)?;
        let id = created["result"]["taskId"].as_str();
        let request = request::get(id.ok_or_else(|| io::Error::other(format!("no task: {created}")))?);
        while !has_status(server, &request, status)? {}
        requests.push(request);
    }
    Ok(requests)
}

/// Asks about a task, on a new connection, whose replies may have any length.
fn has_status(server: &Server, request: &Request, status: &str) -> io::Result<bool> {
    let mut load = Load::connect(server.addr(), Http::Http1, std::slice::from_ref(request), 1)?;
    let task: serde_json::Value = serde_json::from_slice(&load.probe()?.body)?;
    match task["result"]["status"].as_str() {
        Some(now) if now == status => Ok(true),
        Some("working") => Ok(false),
        _ => Err(io::Error::other(format!("not {status}: {task}"))),
    }
}

/// Prints the commands that Redis gets for each task.
#[expect(clippy::cast_precision_loss)]
fn count_commands(redis: &mut Redis, callers: usize, times: &Times, cores: Cores) -> io::Result<String> {
    let server = start(Some(redis), cores)?;
    let call = request::call("add_task");
    let mut load = TaskLoad::connect(server.addr(), requests(&call), callers)?;
    load.run(times.warm_up)?;
    let mut tasks = 0;
    let commands = redis.commands(|| {
        tasks = load.run(times.window)?.completed.len();
        Ok(())
    })?;
    let each = |(name, count): (&String, &u64)| format!("{:.2} × `{name}`", *count as f64 / tasks as f64);
    let each: Vec<_> = commands.iter().map(each).collect();
    Ok(format!("Commands for each task, with {callers} callers: {}.", each.join(", ")))
}

/// Measures what a server and Redis use.
struct Meter<'a> {
    server: &'a Server,
    redis: Option<&'a mut Redis>,
    before: Spent,
    redis_before: Duration,
}

impl<'a> Meter<'a> {
    fn start(server: &'a Server, mut redis: Option<&'a mut Redis>) -> io::Result<Self> {
        let redis_before = redis_cpu(redis.as_deref_mut())?;
        Ok(Self { server, redis, before: Spent::until_now(server.pid())?, redis_before })
    }

    /// Returns the CPU time per item, of the server and of Redis.
    #[expect(clippy::cast_precision_loss)]
    fn each_of(self, count: usize) -> io::Result<(Cpu, f64)> {
        let cpu = Spent::until_now(self.server.pid())?.each_since(&self.before, count as f64);
        let redis = redis_cpu(self.redis)?.saturating_sub(self.redis_before);
        Ok((cpu, redis.as_secs_f64() * 1e6 / count as f64))
    }
}

fn redis_cpu(redis: Option<&mut Redis>) -> io::Result<Duration> {
    redis.map_or(Ok(Duration::ZERO), Redis::cpu)
}
