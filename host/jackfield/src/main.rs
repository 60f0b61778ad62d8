//! The program; all of it is in the library beside.

fn main() -> std::process::ExitCode {
    jackfield::main()
}
