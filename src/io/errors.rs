//! Errors of the operating system, sorted into the classes that the engine tells apart.

use std::io;
use std::path::Path;

use super::{DiskError, ErrorKind};

impl ErrorKind {
    /// The class of an error that a system call gave.
    pub fn of(error: &io::Error) -> ErrorKind {
        match error.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG) => ErrorKind::Full,
            Some(libc::ENOENT) => ErrorKind::NotFound,
            Some(libc::EACCES | libc::EPERM | libc::EROFS) => ErrorKind::Denied,
            Some(libc::EMFILE | libc::ENFILE) => ErrorKind::TooManyFiles,
            _ => ErrorKind::Failed,
        }
    }
}

impl DiskError {
    /// That `operation` on `path` failed with `error`.
    pub fn new(operation: &'static str, path: &Path, error: impl Into<io::Error>) -> DiskError {
        let error = error.into();
        let reason = match error.raw_os_error() {
            Some(libc::EMFILE) => format!("{error}; raise the limit (ulimit -n)"),
            _ => error.to_string(),
        };
        let path = path.display().to_string();
        DiskError { kind: ErrorKind::of(&error), operation, path, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted_and_say_what_failed() {
        let cases = [
            (libc::ENOSPC, ErrorKind::Full),
            (libc::EDQUOT, ErrorKind::Full),
            (libc::EFBIG, ErrorKind::Full),
            (libc::ENOENT, ErrorKind::NotFound),
            (libc::EACCES, ErrorKind::Denied),
            (libc::EPERM, ErrorKind::Denied),
            (libc::EROFS, ErrorKind::Denied),
            (libc::EMFILE, ErrorKind::TooManyFiles),
            (libc::ENFILE, ErrorKind::TooManyFiles),
            (libc::EIO, ErrorKind::Failed),
        ];
        for (errno, kind) in cases {
            let error = io::Error::from_raw_os_error(errno);
            assert_eq!(DiskError::new("write", Path::new("/d/a.log"), error).kind, kind);
        }
        let full =
            DiskError::new("write", Path::new("/d/a"), io::Error::from_raw_os_error(libc::ENOSPC));
        assert_eq!(full.to_string(), "cannot write /d/a: No space left on device (os error 28)");
    }
}
