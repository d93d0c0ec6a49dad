use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Builder;
use tokio::task::JoinHandle;

use super::*;
use crate::provider::Token;
use crate::providers::redis::config::address::Address;
use crate::providers::redis::error::Access;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);

/// A line whose stream holds so many bytes on their way, the server's end, and the driver.
fn line(room: usize, hear: Option<Hear>) -> (Arc<SendQueue>, DuplexStream, JoinHandle<Ended>) {
    patient_line(room, hear, Silence { least_time: Duration::ZERO, after: None })
}

fn patient_line(
    room: usize,
    hear: Option<Hear>,
    silence: Silence,
) -> (Arc<SendQueue>, DuplexStream, JoinHandle<Ended>) {
    let (ours, theirs) = duplex(room);
    let line = Arc::new(SendQueue::new(Address::parse("host:7000").unwrap()));
    let driver = tokio::spawn(Driver::new(Arc::clone(&line), Box::new(ours), hear, silence));
    (line, theirs, driver)
}

fn within(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG, test).await.unwrap() });
}

fn command(line: &SendQueue, asked: &[u8], patience: Duration) -> oneshot::Receiver<Returned> {
    let Ok(told) = line.hand_over(asked.to_vec(), 1, Instant::now() + patience, None) else {
        panic!("it was refused");
    };
    told
}

async fn value(told: oneshot::Receiver<Returned>) -> Value {
    match told.await.unwrap().answer.unwrap() {
        Values::One(value) => value,
        Values::Many(values) => panic!("{values:?}"),
    }
}

/// Whether what was lost was surely not sent.
async fn is_unsent(told: oneshot::Receiver<Returned>) -> bool {
    match told.await.unwrap().answer.unwrap_err() {
        Broken::Lost(failure) => failure.may_retry(Access::Writes),
        other => panic!("{other:?}"),
    }
}

async fn server_reads(server: &mut DuplexStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    server.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, expected);
}

#[test]
fn everybody_gets_the_own_answers_and_what_was_asked_back() {
    within(async {
        let (line, mut server, _driver) = line(1 << 16, None);
        let (one, other) = (command(&line, b"one", LONG), command(&line, b"other", LONG));
        let Ok(two) = line.hand_over(b"two".to_vec(), 2, Instant::now() + LONG, None) else { panic!() };
        server_reads(&mut server, b"oneothertwo").await;
        server.write_all(b":1\r\n:2\r\n:3\r\n-ERR four\r\n").await.unwrap();
        assert_eq!(value(one).await, Value::Int(1));
        let Returned { asked, answer } = other.await.unwrap();
        assert_eq!(asked, b"other");
        assert!(matches!(answer, Ok(Values::One(Value::Int(2)))));
        let Ok(Values::Many(values)) = two.await.unwrap().answer else { panic!("two commands") };
        assert!(matches!(values.as_slice(), [Value::Int(3), Value::ServerError(_)]));
    });
}

#[test]
fn callers_of_many_threads_are_all_answered_in_the_order_on_the_wire() {
    within(async {
        let (line, mut server, _driver) = line(256, None);
        let callers = (0..4).map(|thread| {
            let line = Arc::clone(&line);
            tokio::task::spawn_blocking(move || {
                let commands = (0..500).map(|n| {
                    (
                        thread * 1000 + n,
                        command(&line, format!("+{}\r\n", thread * 1000 + n).as_bytes(), LONG),
                    )
                });
                commands.collect::<Vec<_>>()
            })
        });
        let callers: Vec<_> = callers.collect();
        // An echo: what was asked is a valid answer.
        tokio::spawn(async move {
            let mut bytes = [0; 100];
            while let Ok(count @ 1..) = server.read(&mut bytes).await {
                server.write_all(&bytes[..count]).await.unwrap();
            }
        });
        for caller in callers {
            for (number, told) in caller.await.unwrap() {
                assert_eq!(value(told).await, Value::SimpleString(number.to_string()));
            }
        }
    });
}

#[test]
fn what_the_stream_did_not_take_was_surely_not_sent() {
    within(async {
        let (line, mut server, driver) = line(64, None);
        let sent = command(&line, &[b'a'; 40], LONG);
        let half_sent = command(&line, &[b'b'; 100], LONG);
        let behind = command(&line, b"c", LONG);
        server_reads(&mut server, &[b'a'; 40]).await;
        drop(server);
        assert!(!is_unsent(sent).await && !is_unsent(half_sent).await);
        assert!(is_unsent(behind).await);
        assert_eq!(driver.await.unwrap().end, End::Broke);
        let refused = line.hand_over(b"d".to_vec(), 1, Instant::now() + LONG, None).map(drop).unwrap_err();
        assert_eq!(refused.asked, b"d", "it comes back, to be sent elsewhere");
        let Err(Broken::Lost(failure)) = refused.answer else { panic!("the line is over") };
        assert!(failure.may_retry(Access::Writes));
    });
}

#[test]
fn a_connection_that_broke_while_nobody_asked_takes_nothing() {
    within(async {
        let (line, server, _driver) = line(64, None);
        tokio::task::yield_now().await;
        drop(server);
        // Before the driver could see it.
        assert!(is_unsent(command(&line, b"a", LONG)).await);
    });
}

#[test]
fn a_driver_that_is_dropped_tells_everybody() {
    within(async {
        let (line, mut server, driver) = line(64, None);
        let sent = command(&line, b"a", LONG);
        server_reads(&mut server, b"a").await;
        let queued = command(&line, b"b", LONG);
        line.end();
        driver.abort();
        assert!(!is_unsent(sent).await);
        assert!(is_unsent(queued).await);
    });
}

#[test]
fn a_token_is_judged_when_its_write_is_handed_over() {
    within(async {
        let (line, mut server, _driver) = line(64, None);
        let token = Token::new();
        let Ok(told) = line.hand_over(b"a".to_vec(), 1, Instant::now() + LONG, Some(&token)) else {
            panic!()
        };
        token.revoke();
        let refused =
            line.hand_over(b"b".to_vec(), 1, Instant::now() + LONG, Some(&token)).map(drop).unwrap_err();
        assert!(matches!(refused.answer, Err(Broken::Revoked)));
        let _last = command(&line, b"c", LONG);
        server_reads(&mut server, b"ac").await;
        server.write_all(b"+OK\r\n").await.unwrap();
        assert_eq!(value(told).await, Value::Okay);
    });
}

#[test]
fn who_left_before_anything_went_out_asks_nothing() {
    within(async {
        let (line, mut server, _driver) = line(64, None);
        drop(command(&line, b"left", LONG));
        let stays = command(&line, b"stays", LONG);
        server_reads(&mut server, b"stays").await;
        server.write_all(b"+OK\r\n").await.unwrap();
        assert_eq!(value(stays).await, Value::Okay);
    });
}

#[test]
fn silence_until_a_deadline_ends_the_connection() {
    within(async {
        let (line, mut server, driver) = line(64, None);
        let (late, other) = (command(&line, b"a", SHORT), command(&line, b"b", LONG));
        server_reads(&mut server, b"ab").await;
        let begun = Instant::now();
        assert!(matches!(late.await.unwrap().answer, Err(Broken::Late)));
        assert!(begun.elapsed() >= SHORT / 2);
        assert!(!is_unsent(other).await && driver.await.unwrap().end != End::Finished);
    });
}

#[test]
fn what_is_handed_over_past_its_deadline_is_not_sent_and_ends_nothing() {
    within(async {
        let (line, mut server, _driver) = line(64, None);
        let other = command(&line, b"other", LONG);
        let Returned { asked, answer } = command(&line, b"overdue", Duration::ZERO).await.unwrap();
        assert_eq!(asked, b"overdue", "it comes back");
        assert!(matches!(answer, Err(Broken::Overdue)), "{answer:?}");
        let next = command(&line, b"next", LONG);
        server_reads(&mut server, b"othernext").await;
        server.write_all(b":1\r\n:2\r\n").await.unwrap();
        assert_eq!((value(other).await, value(next).await), (Value::Int(1), Value::Int(2)));
    });
}

#[test]
fn who_had_hardly_any_time_left_does_not_end_the_connection() {
    within(async {
        let (line, mut server, _driver) = patient_line(64, None, Silence { least_time: LONG, after: None });
        let (other, late) = (command(&line, b"other", LONG), command(&line, b"late", SHORT));
        server_reads(&mut server, b"otherlate").await;
        assert!(matches!(late.await.unwrap().answer, Err(Broken::Late)));
        server.write_all(b":1\r\n").await.unwrap();
        assert_eq!(value(other).await, Value::Int(1));
    });
}

fn silent_after(after: Duration) -> Silence {
    Silence { least_time: Duration::ZERO, after: Some(after) }
}

#[test]
fn a_connection_on_which_nothing_comes_while_commands_wait_is_silent() {
    within(async {
        let (line, mut server, driver) = patient_line(1 << 16, None, silent_after(SHORT));
        let first = command(&line, b"first", LONG);
        server_reads(&mut server, b"first").await;
        // Before the first reply the introduction is under way, which has a deadline of its own.
        tokio::time::sleep(SHORT * 2).await;
        server.write_all(b":1\r\n").await.unwrap();
        assert_eq!(value(first).await, Value::Int(1));
        // Without a waiting request no bytes are due.
        tokio::time::sleep(SHORT * 2).await;
        let begun = Instant::now();
        let told = command(&line, b"told", LONG);
        assert!(!is_unsent(told).await);
        assert!(begun.elapsed() >= SHORT && begun.elapsed() < LONG / 4, "{:?}", begun.elapsed());
        let ended = driver.await.unwrap();
        assert_eq!(ended.end, End::Silent(SHORT));
        assert!(ended.last_used.is_some_and(|at| at >= begun));
    });
}

#[test]
fn an_answer_that_is_still_coming_is_not_silence_and_a_long_command_has_time_to_go_out() {
    within(async {
        let (line, mut server, _driver) = patient_line(1 << 20, None, silent_after(SHORT));
        let first = command(&line, b"first", LONG);
        server_reads(&mut server, b"first").await;
        server.write_all(b":1\r\n").await.unwrap();
        assert_eq!(value(first).await, Value::Int(1));
        let long = command(&line, b"long", LONG);
        server_reads(&mut server, b"long").await;
        server.write_all(b"$10\r\n").await.unwrap();
        for _ in 0..10 {
            tokio::time::sleep(SHORT / 2).await;
            server.write_all(b"x").await.unwrap();
        }
        server.write_all(b"\r\n").await.unwrap();
        assert_eq!(value(long).await, Value::BulkString(b"xxxxxxxxxx".to_vec()));
        let large = command(&line, &[b'x'; 400_000], LONG);
        server_reads(&mut server, &[b'x'; 400_000]).await;
        tokio::time::sleep(SHORT * 3).await;
        server.write_all(b":2\r\n").await.unwrap();
        assert_eq!(value(large).await, Value::Int(2));
    });
}

#[test]
fn a_late_answer_is_nobodys_and_a_connection_that_answers_others_goes_on() {
    within(async {
        let (line, mut server, _driver) = line(64, None);
        let first = command(&line, b"a", LONG);
        let late = command(&line, b"b", SHORT);
        server_reads(&mut server, b"ab").await;
        server.write_all(b":1\r\n").await.unwrap();
        assert_eq!(value(first).await, Value::Int(1));
        assert!(matches!(late.await.unwrap().answer, Err(Broken::Late)));
        let next = command(&line, b"c", LONG);
        server_reads(&mut server, b"c").await;
        server.write_all(b":2\r\n:3\r\n").await.unwrap();
        assert_eq!(value(next).await, Value::Int(3));
    });
}

#[test]
fn answers_that_nobody_asked_for_and_garbage_end_the_connection() {
    for garbage in [&b":1\r\n:2\r\n"[..], b"HTTP/1.1 400 Bad Request\r\n"] {
        within(async {
            let (line, mut server, driver) = line(64, None);
            let asked = command(&line, b"a", LONG);
            server_reads(&mut server, b"a").await;
            server.write_all(garbage).await.unwrap();
            let _ = asked.await.unwrap();
            assert!(driver.await.unwrap().end != End::Finished && !line.is_open());
        });
    }
}

#[test]
fn an_answer_that_was_there_before_the_question_is_none() {
    within(async {
        let (line, mut server, driver) = line(64, None);
        server.write_all(b":1\r\n").await.unwrap();
        assert!(is_unsent(command(&line, b"a", LONG)).await);
        assert_ne!(driver.await.unwrap().end, End::Finished);
    });
}

#[test]
fn one_that_is_to_finish_answers_what_is_on_it_and_takes_no_more() {
    within(async {
        let (line, mut server, driver) = line(64, None);
        let (first, late) = (command(&line, b"a", LONG), command(&line, b"b", SHORT));
        server_reads(&mut server, b"ab").await;
        line.finish();
        assert!(line.hand_over(b"c".to_vec(), 1, Instant::now() + LONG, None).is_err());
        server.write_all(b"+OK\r\n").await.unwrap();
        assert_eq!(value(first).await, Value::Okay);
        assert!(matches!(late.await.unwrap().answer, Err(Broken::Late)));
        assert_eq!(driver.await.unwrap().end, End::Finished);
    });
}

#[test]
fn pushes_are_heard_in_order_with_the_answers_and_answer_nobody() {
    within(async {
        let (tell, heard) = mpsc::channel();
        let (line, mut server, _driver) = line(256, Some(Box::new(move |push| tell.send(push).unwrap())));
        let asked = command(&line, b"a", LONG);
        server.write_all(b">2\r\n+x\r\n:1\r\n").await.unwrap();
        server_reads(&mut server, b"a").await;
        server.write_all(b">2\r\n+x\r\n:2\r\n:7\r\n").await.unwrap();
        assert_eq!(value(asked).await, Value::Int(7));
        let heard: Vec<Value> = heard.try_iter().collect();
        assert!(matches!(&heard[..], [Value::Push { data: one, .. }, Value::Push { data: two, .. }]
            if *one == [Value::Int(1)] && *two == [Value::Int(2)]));
    });
}
