//! One run of a load against a topic, from its connections to the count of what is durable.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::dialect::{Acks, Dialect, Opening};
use super::engine::Engine;
use super::native::Native;
use super::producer::Producer;
use super::{Tally, Window};
use crate::bench::bare::{echo, joined};
use crate::bench::cpus::Cpus;
use crate::bench::error::{BenchError, Result, Tried};
use crate::bench::kafka::produce::Kafka;
use crate::bench::payload::Payload;
use crate::bench::process::{self, Usage};
use crate::bench::server::Server;
use crate::bench::target::{Home, Protocol, Target};
use crate::bench::wire::{PATIENCE, Wire};

/// How often the run is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Plan<'a> {
    /// What the load speaks.
    pub(crate) protocol: Protocol,
    /// The topic; it is there.
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a Payload,
    /// Connections.
    pub(crate) producers: usize,
    /// Batches that each has under way.
    pub(crate) in_flight: usize,
    /// Who has to have a batch before it is answered.
    pub(crate) acks: Acks,
    /// Records a second, all producers together; none sends as fast as it is answered.
    pub(crate) rate: Option<f64>,
    pub(crate) warm_up: Duration,
    pub(crate) lasting: Duration,
    /// Where the load runs.
    pub(crate) cpus: &'a Cpus,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) tally: Tally,
    /// How long the window was open.
    pub(crate) seconds: f64,
    /// What the server took meanwhile; none for one that runs elsewhere.
    pub(crate) server: Option<Usage>,
    /// Seconds on a processor that the load took meanwhile.
    pub(crate) load_cpu_s: f64,
}

impl Run {
    /// Records a second.
    pub(crate) fn records_s(&self) -> f64 {
        self.tally.records as f64 / self.seconds
    }

    /// Bytes of values a second.
    pub(crate) fn bytes_s(&self) -> f64 {
        self.tally.value_bytes as f64 / self.seconds
    }
}

/// Runs.
///
/// # Errors
/// When the server dies, refuses a batch, is silent, or a record is missing at the end.
pub(crate) fn run(plan: &Plan<'_>, server: &mut Server) -> Result<Run> {
    let result = try_run(plan, server);
    server.judge(result)
}

fn try_run(plan: &Plan<'_>, server: &Server) -> Result<Run> {
    let target = server.target(plan.protocol)?;
    match plan.protocol {
        Protocol::Native => run_in::<Native>(plan, server, &target),
        Protocol::Kafka { .. } => run_in::<Kafka>(plan, server, &target),
    }
}

/// Runs with the load compiled for one protocol.
fn run_in<D: Dialect + Send>(plan: &Plan<'_>, server: &Server, target: &Target) -> Result<Run>
where
    D::Head: Send,
{
    let before = target.records(plan.topic)?;
    let producers = connect::<D>(plan, target)?;
    let window = Window::from_now(plan.warm_up, plan.lasting);
    let failed = AtomicBool::new(false);
    let (tally, watched) = std::thread::scope(|scope| {
        let load = || drive(plan, window, producers, &failed);
        let driving = scope.spawn(load);
        let watched = watch(server, &window, &failed);
        (joined(driving), watched)
    });
    let tally = tally?;
    expect_records(target, plan, before + tally.all_records)?;
    Ok(Run { tally, ..watched })
}

/// Lets all producers run, on a thread a processor, and adds up what they come to.
fn drive<D: Dialect + Send>(
    plan: &Plan<'_>,
    window: Window,
    producers: Vec<Producer<D>>,
    failed: &AtomicBool,
) -> Result<Tally>
where
    D::Head: Send,
{
    let total = producers.len();
    let threads = plan.cpus.count().min(total);
    let mut shares: Vec<Vec<Producer<D>>> = (0..threads).map(|_| Vec::new()).collect();
    for (i, producer) in producers.into_iter().enumerate() {
        shares[i % threads].push(producer);
    }
    let drive_share = |index: usize, share: Vec<Producer<D>>| {
        plan.cpus.pin(index)?;
        let rate = plan.rate.map(|rate| rate * share.len() as f64 / total as f64);
        let tally = Engine::new(plan.payload, window, rate, share)?.run();
        failed.fetch_or(tally.is_err(), Ordering::Relaxed);
        tally
    };
    let drive_share = &drive_share;
    let tallies = std::thread::scope(|scope| {
        let spawn = |(index, share)| scope.spawn(move || drive_share(index, share));
        let spawned: Vec<_> = shares.into_iter().enumerate().map(spawn).collect();
        spawned.into_iter().map(joined).collect::<Result<Vec<_>>>()
    })?;
    let mut tally = Tally::new();
    tallies.iter().for_each(|one| tally.merge(one));
    Ok(tally)
}

/// The same producers against a peer that answers at once and does nothing else: what the network
/// and the load itself allow. Gives the records a second.
///
/// # Errors
/// When the system refuses.
pub(crate) fn run_against_echo(plan: &Plan<'_>, peer: &Cpus) -> Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0").tried(|| "no port".into())?;
    let address = listener.local_addr().tried(|| "no address".into())?;
    let tally = std::thread::scope(|scope| {
        let echoing = scope.spawn(|| echo::serve(&listener, plan.producers, peer));
        let connect = |_| {
            let stream = TcpStream::connect(address).tried(|| "no connection".into())?;
            let (stream, _) = Wire::raw(stream)?.into_parts();
            Producer::new((stream, Native::new(vec![1])), plan.in_flight, true)
        };
        let producers = (0..plan.producers).map(connect).collect::<Result<Vec<_>>>()?;
        let window = Window::from_now(plan.warm_up, plan.lasting);
        let tally = drive(plan, window, producers, &AtomicBool::new(false));
        joined(echoing)?;
        tally
    })?;
    Ok(tally.records as f64 / plan.lasting.as_secs_f64())
}

/// What server and load take while the window is open.
fn watch(server: &Server, window: &Window, failed: &AtomicBool) -> Run {
    let wait_until = |at: Instant| {
        while Instant::now() < at && !failed.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK.min(at.saturating_duration_since(Instant::now())));
        }
    };
    wait_until(window.from);
    let (server_before, own_before) = (server.usage(), process::own_cpu());
    wait_until(window.until);
    let (server_after, own_after) = (server.usage(), process::own_cpu());
    let used = server_before.zip(server_after).map(|(before, after)| after.since(&before));
    let load_cpu_s = (own_after - own_before).as_secs_f64();
    let seconds = (window.until - window.from).as_secs_f64();
    Run { tally: Tally::new(), seconds, server: used, load_cpu_s }
}

/// The producers, each on the core or node that owns its partitions.
///
/// Partitions are dealt out: a producer has its own where there are enough, and shares one where
/// there are not.
fn connect<D: Dialect>(plan: &Plan<'_>, target: &Target) -> Result<Vec<Producer<D>>> {
    let mut owned: Vec<(Home, Vec<u32>)> = Vec::new();
    for (partition, home) in (0..).zip(target.homes(plan.topic)?) {
        match owned.iter_mut().find(|(known, _)| *known == home) {
            Some((_, partitions)) => partitions.push(partition),
            None => owned.push((home, vec![partition])),
        }
    }
    let producer = |i: usize| {
        let (home, partitions) = &owned[i % owned.len()];
        let (mine, ours) =
            (i / owned.len(), (plan.producers - i % owned.len()).div_ceil(owned.len()));
        let dealt = partitions.iter().skip(mine % partitions.len()).step_by(ours);
        let partitions: Vec<u32> = dealt.copied().collect();
        let (topic, acks) = (plan.topic, plan.acks);
        let opened = D::open(&Opening { home: *home, topic, partitions: &partitions, acks })?;
        Producer::new(opened, plan.in_flight, plan.acks != Acks::None)
    };
    (0..plan.producers).map(producer).collect()
}

/// What was acknowledged is there, and nothing else is.
fn expect_records(target: &Target, plan: &Plan<'_>, expected: u64) -> Result<()> {
    let since = Instant::now();
    let mut there = target.records(plan.topic)?;
    // Who does not ask all replicas has to look until everything has arrived.
    while plan.acks != Acks::All && there < expected && since.elapsed() < PATIENCE {
        std::thread::sleep(LOOK);
        there = target.records(plan.topic)?;
    }
    if there == expected {
        return Ok(());
    }
    let what = format!(
        "{expected} were acknowledged in {}, and {there} are there; nobody else may append to it",
        plan.topic
    );
    Err(BenchError::Missing(what))
}
