//! Bodies in every cut, with every fault, on a paused clock.

use std::convert::Infallible;

use proptest::prelude::*;

use super::*;

const IDLE: Duration = Duration::from_mins(2);

type Read<E> = (Vec<String>, Option<BodyFault<E>>);

/// The data of all events, and the fault that ended them.
async fn read<E>(body: impl Stream<Item = Result<Vec<u8>, E>>, max: usize) -> Read<E> {
    let mut events = Box::pin(events(body, IDLE, max));
    let mut data = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => data.push(event),
            Err(fault) => return (data, Some(fault)),
        }
    }
    (data, None)
}

fn in_pieces(body: &[u8], size: usize) -> impl Stream<Item = Result<Vec<u8>, Infallible>> {
    stream::iter(body.chunks(size).map(|piece| Ok(piece.to_vec())).collect::<Vec<_>>())
}

fn read_all(body: &[u8], size: usize) -> Read<Infallible> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(read(in_pieces(body, size), usize::MAX))
}

/// One piece after each pause, then silence for ever.
fn slow(pieces: Vec<(u64, &'static str)>) -> impl Stream<Item = Result<Vec<u8>, Infallible>> {
    stream::iter(pieces)
        .then(|(secs, piece)| async move {
            tokio::time::sleep(Duration::from_secs(secs)).await;
            Ok(piece.as_bytes().to_vec())
        })
        .chain(stream::pending())
}

#[tokio::test(start_paused = true)]
async fn comments_end_a_silence_but_are_no_events() {
    let body = slow(vec![(119, ": wait\n"), (119, ":\n"), (119, "data: a\n\n"), (119, "data")]);
    assert_eq!(read(body, 1000).await, (vec!["a".to_owned()], Some(BodyFault::Silent)));
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_fault() {
    let body = slow(vec![(1, "data: a\n\n"), (121, "data: b\n\n")]);
    assert_eq!(read(body, 1000).await, (vec!["a".to_owned()], Some(BodyFault::Silent)));
    assert_eq!(whole(slow(vec![(1, "{}")]), IDLE, 10).await, Err(BodyFault::Silent));
}

#[tokio::test]
async fn a_broken_connection_is_a_fault_behind_what_came() {
    let body = stream::iter([Ok(b"data: a\n\n".to_vec()), Err("reset")]);
    assert_eq!(read(body, 1000).await, (vec!["a".to_owned()], Some(BodyFault::Broken("reset"))));
}

#[tokio::test]
async fn the_limit_counts_all_bytes() {
    let body = in_pieces(b"data: a\n\n: comment\n", 9);
    assert_eq!(read(body, 12).await, (vec!["a".to_owned()], Some(BodyFault::TooLong(12))));
    assert_eq!(whole(in_pieces(b"12345", 2), IDLE, 4).await, Err(BodyFault::TooLong(4)));
    assert_eq!(whole(in_pieces(b"1234", 2), IDLE, 4).await, Ok("1234".to_owned()));
}

#[tokio::test]
async fn an_event_of_many_lines_has_a_limit_too() {
    let line = format!("data: {}\n", "x".repeat(1024 * 1024));
    let body = format!("{}\n", line.repeat(5));
    let (data, fault) = read(in_pieces(body.as_bytes(), 64 * 1024), usize::MAX).await;
    assert_eq!((data.len(), fault), (0, Some(BodyFault::TooLong(DOCUMENT_BYTES_MAX))));
}

#[tokio::test(start_paused = true)]
async fn an_error_body_gives_what_it_has() {
    let endless = stream::repeat_with(|| Ok::<_, Infallible>(vec![b'x'; 1000]));
    assert_eq!(beginning(endless, IDLE).await.len(), ERROR_BODY_BYTES_MAX);
    assert_eq!(beginning(slow(vec![(1, "{\"a"), (1, "\":1")]), IDLE).await, "{\"a\":1");
    let broken = stream::iter([Ok(b"{}".to_vec()), Err("reset")]);
    assert_eq!(beginning(broken, IDLE).await, "{}");
}

#[test]
fn a_byte_order_mark_does_no_harm() {
    for size in 1..5 {
        let read = read_all("\u{feff}data: a\n\n".as_bytes(), size);
        assert_eq!(read, (vec!["a".to_owned()], None));
    }
}

#[test]
fn all_line_ends_are_the_same() {
    for end in ["\n", "\r\n", "\r"] {
        // A lone `\r` at the very end may be half a `\r\n`, so something has to follow it.
        let body = format!(": hi{end}event: x{end}data: a{end}data: b{end}{end}:{end}");
        assert_eq!(read_all(body.as_bytes(), 1), (vec!["a\nb".to_owned()], None), "{end:?}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_pieces_do_not_matter(
        body in proptest::collection::vec(
            prop_oneof![
                Just(b"data: x".to_vec()),
                Just(b"\n".to_vec()),
                Just(b"\r".to_vec()),
                Just(b":".to_vec()),
                Just(b"id".to_vec()),
                Just("\u{feff}é👍".as_bytes().to_vec()),
                proptest::collection::vec(any::<u8>(), 0..4),
            ],
            0..40,
        ),
        size in 1_usize..12,
    ) {
        let body = body.concat();
        prop_assert_eq!(read_all(&body, size), read_all(&body, body.len().max(1)));
    }
}
