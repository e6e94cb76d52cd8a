//! Responses of an h2 server. Without arguments it prints the cases, with `CASE` the writes and allocations per response,
//! and with `CASE COUNT` it sends COUNT responses on each stream, for callgrind.

mod frames;
mod wire;

use std::future::Future;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use http::Response;

use crate::wire::Wire;

const KIB: usize = 1024;
/// The name of a case, the streams that respond at once, and the size of a body.
const CASES: [(&str, u32, usize); 9] = [
    ("16 streams, 13 bytes", 16, 13),
    ("16 streams, 300 bytes", 16, 300),
    ("16 streams, 1 KiB", 16, KIB),
    ("16 streams, 2 KiB", 16, 2 * KIB),
    ("16 streams, 4 KiB", 16, 4 * KIB),
    ("16 streams, 8 KiB", 16, 8 * KIB),
    ("16 streams, 64 KiB", 16, 64 * KIB),
    ("1 stream, 1 KiB", 1, KIB),
    ("1 stream, 64 KiB", 1, 64 * KIB),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, ..] = &arguments[..] else {
        for (name, _, _) in CASES {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    };
    let Some((_, streams, size)) = CASES.into_iter().find(|(case, _, _)| case == name) else {
        return ExitCode::FAILURE;
    };
    let Some(count) = arguments.get(1) else {
        print_counts(streams, size);
        return ExitCode::SUCCESS;
    };
    match count.parse::<u64>() {
        Ok(count) => _ = run(streams, size, count.div_ceil(streams.into())),
        Err(_) => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

/// Prints the counts per response. The difference of two runs leaves out the start of the connection.
fn print_counts(streams: u32, size: usize) {
    const FEW: u64 = 100;
    const MANY: u64 = 200;
    let mut writes = 0;
    let few = measure(|| writes = run(streams, size, FEW));
    let mut all = 0;
    let many = measure(|| all = run(streams, size, MANY));
    let responses = (MANY - FEW) as f64 * f64::from(streams);
    println!("writes\t{:.2}", (all - writes) as f64 / responses);
    println!("allocations\t{:.2}", (many.count_total - few.count_total) as f64 / responses);
    println!("allocated KiB\t{:.2}", (many.bytes_total - few.bytes_total) as f64 / responses / KIB as f64);
}

/// Responds on `streams` streams at once, `rounds` times, and returns the number of writes.
fn run(streams: u32, size: usize, rounds: u64) -> u64 {
    let wire = Wire::default();
    let context = &mut Context::from_waker(Waker::noop());
    let mut connection = connect(&wire, context);
    let body = Bytes::from(vec![b'x'; size]);
    let mut frames = Vec::new();
    let mut waiting = Vec::new();
    let mut stream = 1;
    for _ in 0..rounds {
        frames.clear();
        for _ in 0..streams {
            frames::request(&mut frames, stream);
            stream += 2;
        }
        frames::window_update(&mut frames, streams * size as u32);
        wire.send(&frames);
        accept(&mut connection, &mut waiting, context);
        assert_eq!(waiting.len(), streams as usize);
        let before = wire.written();
        for respond in waiting.drain(..) {
            send(respond, &body);
        }
        accept(&mut connection, &mut waiting, context);
        assert!(wire.written() - before > streams as usize * size, "all responses");
    }
    wire.writes()
}

fn connect(wire: &Wire, context: &mut Context<'_>) -> Connection<Wire, Bytes> {
    wire.send(&frames::start());
    // The window of the connection is replenished after each round.
    let mut handshake =
        pin!(h2::server::Builder::new().max_send_buffer_size(16 << 20).handshake(wire.clone()));
    let Poll::Ready(Ok(mut connection)) = handshake.as_mut().poll(context) else {
        panic!("no handshake");
    };
    accept(&mut connection, &mut Vec::new(), context);
    let mut frames = Vec::new();
    frames::window_update(&mut frames, 16 << 20);
    wire.send(&frames);
    accept(&mut connection, &mut Vec::new(), context);
    connection
}

/// Runs the connection's task, which adds the requests to `waiting` and writes.
fn accept(
    connection: &mut Connection<Wire, Bytes>,
    waiting: &mut Vec<SendResponse<Bytes>>,
    context: &mut Context<'_>,
) {
    while let Poll::Ready(request) = connection.poll_accept(context) {
        match request {
            Some(Ok((_, respond))) => waiting.push(respond),
            Some(Err(error)) => panic!("{error}"),
            None => panic!("the connection is closed"),
        }
    }
}

fn send(mut respond: SendResponse<Bytes>, body: &Bytes) {
    let sent = respond.send_response(Response::new(()), false);
    if let Err(error) = sent.and_then(|mut stream| stream.send_data(body.clone(), true)) {
        panic!("{error}");
    }
}
