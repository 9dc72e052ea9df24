//! The Rust client as a load: what a program gets that hands over single records.

use std::time::{Duration, Instant};

use bytes::Bytes;
use duramen_protocol::client::{Client, OutRecord, ProducerConfig};

use super::bare::joined;
use super::cpus::Cpus;
use super::error::{BenchError, Result, Tried};
use super::process::{Usage, thread_cpu};
use super::server::Server;
use super::target::Protocol;

/// Records between two looks at the clock.
const RECORDS_A_LOOK: usize = 256;
/// What a batch holds a record, beside its value, at most.
const RECORD_OVERHEAD_BYTES: usize = 12;

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Produced {
    pub(crate) records_s: f64,
    /// The client's share of the time on a processor, of its own and the server's.
    pub(crate) client_share: Option<f64>,
}

/// Produces records of `record_bytes` bytes, one after the other, as fast as the client takes them,
/// in batches of about `batch_records`.
///
/// # Errors
/// When the server dies or a record is missing.
pub(crate) fn produce(
    server: &mut Server,
    topic: &str,
    cpus: &Cpus,
    (record_bytes, batch_records): (usize, usize),
    (warm_up, lasting): (Duration, Duration),
) -> Result<Produced> {
    let config = ProducerConfig {
        batch_bytes: batch_records * (record_bytes + RECORD_OVERHEAD_BYTES),
        ..ProducerConfig::default()
    };
    let value = Bytes::from(vec![b'x'; record_bytes]);
    let run = |server: &Server| {
        cpus.pin(0)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.tried(|| "cannot run the client".into())?;
        runtime.block_on(async {
            let client = Client::connect(server.address().to_string()).await?;
            let producer = client.producer(topic, config).await?;
            let warmed = send_for(&producer, &value, warm_up).await?;
            producer.flush().await?;
            let (start, cpu, used) = (Instant::now(), thread_cpu(), server.usage());
            let sent = send_for(&producer, &value, lasting).await?;
            producer.flush().await?;
            let records_s = sent as f64 / start.elapsed().as_secs_f64();
            let own = (thread_cpu() - cpu).as_secs_f64();
            let client_share = share(own, used, server.usage());
            producer.close().await?;
            expect(server, topic, warmed + sent)?;
            Ok(Produced { records_s, client_share })
        })
    };
    let produced = std::thread::scope(|scope| joined(scope.spawn(|| run(server))));
    server.judge(produced)
}

async fn send_for(
    producer: &duramen_protocol::client::Producer,
    value: &Bytes,
    lasting: Duration,
) -> Result<u64> {
    let end = Instant::now() + lasting;
    let mut sent = 0;
    while Instant::now() < end {
        for _ in 0..RECORDS_A_LOOK {
            // Whether it was delivered tells the flush.
            drop(producer.send(OutRecord::new(value.clone())).await?);
        }
        sent += RECORDS_A_LOOK as u64;
        tokio::task::yield_now().await;
    }
    Ok(sent)
}

fn share(own_s: f64, before: Option<Usage>, after: Option<Usage>) -> Option<f64> {
    let server_s = after?.since(&before?).cpu_s;
    Some(own_s / (own_s + server_s))
}

fn expect(server: &Server, topic: &str, sent: u64) -> Result<()> {
    let durable = server.target(Protocol::Native)?.records(topic)?;
    match durable == sent {
        true => Ok(()),
        false => {
            Err(BenchError::Missing(format!("{sent} were delivered, and {durable} are durable")))
        }
    }
}
