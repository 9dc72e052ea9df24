//! Why a command ends early, and with which exit code.

use std::io;
use std::process::ExitCode;

use duramen_protocol::client::ClientError;
use duramen_protocol::codes::ErrorCode;

/// It can't be done, and why.
#[derive(Debug)]
pub enum Failure {
    /// What was asked makes no sense: exit code 2.
    Usage(String),
    /// It was tried: exit code 1.
    Failed(String),
    /// All was said already: the exit code alone.
    Told(u8),
}

impl Failure {
    /// Says on standard error what there is to say, and gives the exit code.
    pub(super) fn tell(self) -> ExitCode {
        let (reason, code) = match self {
            Failure::Usage(reason) => (reason, 2),
            Failure::Failed(reason) => (reason, 1),
            Failure::Told(code) => return ExitCode::from(code),
        };
        eprintln!("duramen: {reason}");
        ExitCode::from(code)
    }

    /// Output can't be written. A reader that has seen enough and went away is none of our
    /// business.
    pub(super) fn of_output(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Told(0),
            _ => Failure::Failed(format!("cannot write to standard output: {error}")),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        Failure::Failed(explain(&error))
    }
}

/// What went wrong, and what to do.
pub(super) fn explain(error: &ClientError) -> String {
    match error {
        ClientError::Unreachable { .. } => {
            format!("{error}; start one with `duramen serve`, or name another with --server")
        }
        ClientError::GaveUp { after, last, .. } => {
            format!("gave up after {} s: {}", after.as_secs_f64(), explain(last))
        }
        ClientError::Server(answer) => match advice(answer.code) {
            "" => answer.message.clone(),
            advice => format!("{}; {advice}", answer.message),
        },
        _ => error.to_string(),
    }
}

/// What somebody at a command line can do about the server's answer, where its own words don't say.
fn advice(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => "`duramen topic create` makes one",
        ErrorCode::TOPIC_ALREADY_EXISTS => "--if-not-exists takes it as it is",
        ErrorCode::MESSAGE_TOO_LARGE => {
            "raise the topic's max.message.bytes with `duramen topic alter`"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duramen_protocol::native::ErrorAnswer;
    use std::time::Duration;

    #[test]
    fn errors_say_what_to_do() {
        let reason = "Connection refused".to_owned();
        let unreachable = ClientError::Unreachable { server: "localhost:1".into(), reason };
        let gave_up = ClientError::GaveUp {
            after: Duration::from_secs(120),
            perhaps_applied: false,
            last: Box::new(unreachable),
        };
        assert_eq!(
            explain(&gave_up),
            "gave up after 120 s: cannot reach localhost:1: Connection refused; start one with \
             `duramen serve`, or name another with --server"
        );
        let answer = ErrorAnswer::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "no topic x");
        assert!(explain(&answer.into()).starts_with("no topic x; `duramen topic create`"));
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = Failure::of_output(io::ErrorKind::BrokenPipe.into());
        assert!(matches!(closed, Failure::Told(0)), "{closed:?}");
        let full = Failure::of_output(io::ErrorKind::StorageFull.into());
        assert!(matches!(full, Failure::Failed(_)), "{full:?}");
    }
}
