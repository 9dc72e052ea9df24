//! Segments: batches and their records.

use std::io;

use duramen_protocol::batch::{BatchError, BatchView};

use super::{Dump, FileItem};
use crate::control::Control;
use crate::scan::{Bad, BadKind, Batch, Piece, Scanner};
use crate::source::Source;

impl Dump<'_> {
    pub(super) fn segment(&mut self, file: &FileItem<'_>, source: Source) -> io::Result<()> {
        let mut scanner = Scanner::new(source, file.base_offset);
        loop {
            let position = scanner.position();
            match scanner.next() {
                Ok(None) => return Ok(()),
                Ok(Some(Piece::Bad(bad))) => self.bad(file, &bad)?,
                Ok(Some(Piece::Batch(batch))) => self.batch(file, &batch)?,
                Err(error) => return self.unreadable(file, position, &error),
            }
            self.progress.add(scanner.position() - position);
        }
    }

    /// A batch, with its records if they are asked for.
    pub(super) fn batch(&mut self, file: &FileItem<'_>, batch: &Batch<'_>) -> io::Result<()> {
        let header = &batch.header;
        if batch.fault.is_none() && !self.wants(header.base_offset, header.last_offset()) {
            return Ok(());
        }
        let control = match batch.view {
            Some(view) if header.attributes.is_control() => first_control(&view),
            _ => None,
        };
        self.printer.batch(&mut self.lines, batch, control);
        self.line_done()?;
        if let Some(fault) = &batch.fault {
            self.bad_batch(file, batch, fault)?;
        }
        match batch.view {
            _ if !self.options.json && !self.options.records => Ok(()),
            Some(view) => self.records(file, batch, &view),
            None => self.left_out(file, batch),
        }
    }

    fn records(
        &mut self,
        file: &FileItem<'_>,
        batch: &Batch<'_>,
        view: &BatchView<'_>,
    ) -> io::Result<()> {
        let records = match view.records() {
            Ok(records) => records,
            Err(error) => return self.bad_records(file, batch, &error),
        };
        for record in &records {
            let record = match record {
                Ok(record) => record,
                Err(error) => return self.bad_records(file, batch, &error),
            };
            if !self.wants(record.offset, record.offset) {
                continue;
            }
            let control = match batch.header.attributes.is_control() {
                true => Control::parse(&record),
                false => None,
            };
            self.printer.record(&mut self.lines, &batch.header, &record, control);
            self.line_done()?;
        }
        Ok(())
    }

    /// With a wrong checksum, it is no news that the records are bad as well.
    fn bad_records(
        &mut self,
        file: &FileItem<'_>,
        batch: &Batch<'_>,
        error: &BatchError,
    ) -> io::Result<()> {
        match batch.fault {
            Some(_) => Ok(()),
            None => self.bad_batch(file, batch, error),
        }
    }

    fn bad_batch(
        &mut self,
        file: &FileItem<'_>,
        batch: &Batch<'_>,
        error: &BatchError,
    ) -> io::Result<()> {
        let bad = Bad {
            position: batch.position,
            length: batch.header.size_in_bytes() as u64,
            offset: Some(batch.header.base_offset),
            kind: BadKind::Damaged,
            reason: error.to_string(),
        };
        self.bad(file, &bad)
    }

    fn left_out(&mut self, file: &FileItem<'_>, batch: &Batch<'_>) -> io::Result<()> {
        let what = format!(
            "position {}: the records of a batch of {} bytes are left out",
            batch.position,
            batch.header.size_in_bytes()
        );
        self.could_not_look(file.path, &io::Error::new(io::ErrorKind::FileTooLarge, what))
    }
}

fn first_control(view: &BatchView<'_>) -> Option<Control> {
    let records = view.records().ok()?;
    let first = records.iter().next()?.ok()?;
    Control::parse(&first)
}
