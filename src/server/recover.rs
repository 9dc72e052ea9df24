//! Recovery, from a configuration: what a start does first, and what an operator does who gives up
//! damaged records.

use std::sync::Arc;
use std::time::Instant;

use crate::broker::placement::owner;
use crate::config::server::ServerConfig;
use crate::io::blocking::Blocking;
use crate::io::{Now, Probe, probe, random_u128};
use crate::limits;
use crate::storage::names::Layout;
use crate::storage::recovery::{self, Loss, Plan, Recovered};

use super::data_dir;
use super::error::ServerError;

/// What to do about a damaged journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// Don't start.
    Refuse,
    /// Go on without what is lost.
    Accept,
}

/// Recovers a data directory and gives up what its journals have lost. Gives the records lost; a
/// server starts from what is left.
///
/// # Errors
/// When there is no such directory, it is in use, or something else is wrong with it.
pub fn accept_loss(config: &ServerConfig) -> Result<Vec<Loss>, ServerError> {
    let (layout, _lock) = data_dir::lock_existing(&config.data)?;
    let probe = probe(layout.data())?;
    // How many cores there are may change with each start, so one will do.
    Ok(recover(config, &layout, &probe, 1, Damage::Accept)?.losses)
}

/// Recovers a data directory for `cores` cores, and says what was found on standard error.
pub(super) fn recover(
    config: &ServerConfig,
    layout: &Layout,
    probe: &Probe,
    cores: usize,
    damage: Damage,
) -> Result<Recovered, ServerError> {
    let setup = probe.setup(config.no_sync, Arc::new(|| ()));
    let mut disk = Blocking::start(limits::RECOVERY_THREADS, setup)
        .map_err(ServerError::system("start the disk's threads"))?;
    let cluster_id = random_u128().map_err(ServerError::system("find a random id"))?;
    let began = Instant::now();
    let recovered = recovery::recover(
        &mut disk,
        &Plan {
            layout: layout.clone(),
            cores: cores as u32,
            journal_file_bytes: config.journal_file_bytes,
            new_cluster_id: cluster_id.to_be_bytes(),
            owner: &|topic_id, partition| owner(topic_id, partition, cores as u32),
            accept_loss: damage == Damage::Accept,
            now: Now::read(),
        },
    )?;
    for note in &recovered.notes {
        eprintln!("duramen: {note}");
    }
    let partitions: usize = recovered.logs.iter().map(Vec::len).sum();
    eprintln!(
        "duramen: {partitions} partitions on {cores} cores; {} bytes replayed in {} ms",
        recovered.replayed_bytes,
        began.elapsed().as_millis()
    );
    Ok(recovered)
}
