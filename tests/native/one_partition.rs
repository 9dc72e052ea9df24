//! A server of one core with one partition: where most of these tests begin.

use std::path::Path;

use crate::support::server::{Server, serve};
use crate::support::wire::Wire;

/// Starts a server of one core on a data directory.
pub fn one_core(data: &Path) -> Server {
    Server::spawn(serve(data).args(["--cores", "1"])).unwrap()
}

/// A server of one core with a topic `events` of one partition, opened.
pub fn one_partition(data: &Path) -> (Server, Wire, u32) {
    let server = one_core(data);
    Wire::connect(server.address).create("events", 1);
    let (wire, handle) = open(&server);
    (server, wire, handle)
}

/// A new connection, with the partition opened.
pub fn open(server: &Server) -> (Wire, u32) {
    let mut wire = Wire::connect(server.address);
    let handle = wire.open("events", 0).handle;
    (wire, handle)
}
