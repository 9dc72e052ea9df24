//! The `duramen` program.

fn main() -> std::process::ExitCode {
    duramen::cli::main()
}
