//! The `hearken` binary: everything it does is in the library's `cli` room.

fn main() -> std::process::ExitCode {
    hearken::cli::main()
}
