//! Messages through hyper's HTTP/1 connections. Without arguments it prints the cases, with `CASE` the reads and
//! allocations per message, and with `CASE COUNT` it handles COUNT messages, for callgrind.

mod client;
mod server;
mod wire;

use std::fmt::Write;
use std::process::ExitCode;

use allocation_counter::measure;

const KIB: usize = 1024;
/// The payload of ten full TCP segments on Ethernet.
const SEGMENTS: usize = 10 * 1448;
const CASES: [&str; 11] = [
    "server: GET",
    "server: GET, handler waits",
    "server: GET, 12 headers, handler waits",
    "server: POST 2 KiB, handler waits",
    "server: POST 64 KiB in parts",
    "client: 13 bytes",
    "client: 12 headers and 1 KiB",
    "client: 64 KiB at once",
    "client: 64 KiB in parts",
    "client: 1 MiB in parts",
    "client: 13 bytes and 64 KiB in turn",
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => println!("{}", CASES.join("\n")),
        [case] => print_counts(case),
        [case, count] => match count.parse() {
            Ok(count) => _ = run(case, count),
            Err(_) => return ExitCode::FAILURE,
        },
        _ => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

/// Prints the counts per message. The difference of two runs leaves out the start of the connection.
fn print_counts(case: &str) {
    const FEW: u64 = 1_000;
    const MANY: u64 = 2_000;
    let mut reads = 0;
    let few = measure(|| reads = run(case, FEW));
    let mut all = 0;
    let many = measure(|| all = run(case, MANY));
    let messages = (MANY - FEW) as f64;
    println!("reads\t{:.2}", (all - reads) as f64 / messages);
    println!("allocations\t{:.2}", (many.count_total - few.count_total) as f64 / messages);
    println!("allocated KiB\t{:.2}", (many.bytes_total - few.bytes_total) as f64 / messages / KIB as f64);
}

/// Handles `count` messages and returns the number of reads.
fn run(case: &str, count: u64) -> u64 {
    let get = request("GET", 3, 0);
    match case {
        "server: GET" => server::run(get, get.len(), false, count),
        "server: GET, handler waits" => server::run(get, get.len(), true, count),
        "server: GET, 12 headers, handler waits" => {
            let message = request("GET", 12, 0);
            server::run(message, message.len(), true, count)
        }
        "server: POST 2 KiB, handler waits" => {
            let message = request("POST", 12, 2 * KIB);
            server::run(message, message.len(), true, count)
        }
        "server: POST 64 KiB in parts" => server::run(request("POST", 12, 64 * KIB), SEGMENTS, false, count),
        "client: 13 bytes" => client::run(&[response(3, 13)], SEGMENTS, count),
        "client: 12 headers and 1 KiB" => client::run(&[response(12, KIB)], SEGMENTS, count),
        "client: 64 KiB at once" => client::run(&[response(3, 64 * KIB)], 128 * KIB, count),
        "client: 64 KiB in parts" => client::run(&[response(3, 64 * KIB)], SEGMENTS, count),
        "client: 1 MiB in parts" => client::run(&[response(3, KIB * KIB)], SEGMENTS, count),
        "client: 13 bytes and 64 KiB in turn" => {
            client::run(&[response(3, 13), response(3, 64 * KIB)], SEGMENTS, count)
        }
        _ => panic!("{case} is not a case"),
    }
}

fn request(method: &str, headers: usize, body: usize) -> &'static [u8] {
    message(format!("{method} /login?next=home HTTP/1.1\r\nhost: localhost\r\n"), headers, body)
}

fn response(headers: usize, body: usize) -> &'static [u8] {
    message("HTTP/1.1 200 OK\r\n".to_owned(), headers, body)
}

/// Completes a message with headers of 40 bytes or so and a body.
fn message(mut text: String, headers: usize, body: usize) -> &'static [u8] {
    for number in 0..headers {
        _ = write!(text, "x-header-{number}: a value of thirty-two characters\r\n");
    }
    _ = write!(text, "content-length: {body}\r\n\r\n");
    text.push_str(&"x".repeat(body));
    text.leak().as_bytes()
}
