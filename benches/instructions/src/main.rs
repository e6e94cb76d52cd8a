//! A fixed set of requests, for counts of instructions: `instructions CASE COUNT` sends COUNT requests. Without arguments it
//! prints each case and the case that is subtracted from it. `run.py` counts.
//!
//! All run on one thread, against a client without work, and read the body of the response to its end. What differs between
//! two runs is left out: no random draw, no socket, no task.

mod cases;
mod requests;

use std::process::ExitCode;

use self::cases::CASES;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, count] = &arguments[..] else {
        for case in CASES {
            println!("{}\t{}", case.name, case.without);
        }
        return ExitCode::SUCCESS;
    };
    let case = CASES.iter().find(|case| case.name == name);
    let (Some(case), Ok(count)) = (case, count.parse()) else {
        eprintln!("usage: instructions [CASE COUNT]");
        return ExitCode::FAILURE;
    };
    // The timeout of the proxy needs a timer.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else {
        return ExitCode::FAILURE;
    };
    let _entered = runtime.enter();
    (case.run)(count);
    ExitCode::SUCCESS
}
