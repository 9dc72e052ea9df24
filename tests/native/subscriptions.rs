//! Pushes: as records become durable, within a credit.

use duramen_protocol::native::ErrorCode;
use duramen_protocol::native::messages::{Credit, DeleteTopic, Ping, Subscribe, Unsubscribe};

use crate::one_partition::{one_partition, open};
use crate::support::server::folder;
use crate::support::wire::{batch, texts, values};

#[test]
fn records_are_pushed_as_they_become_durable() {
    let dir = folder();
    let (server, mut reader, handle) = one_partition(dir.path());
    let (mut writer, theirs) = open(&server);
    writer.append(theirs, &batch(&["before"])).unwrap();
    let subscribed = reader.subscribe(handle, 0, 1 << 20);
    assert!(subscribed.subscription > 0 && subscribed.durable_end == 1);
    let first = reader.frame();
    assert_eq!(first.header.handle, subscribed.subscription);
    let (head, bytes) = first.push();
    assert_eq!((head.durable_end, texts(bytes)), (1, vec![(0, "before".to_owned())]));
    for n in 1..20 {
        writer.append(theirs, &batch(&[format!("live {n}")])).unwrap();
        let frame = reader.frame();
        assert_eq!(texts(frame.push().1), [(n, format!("live {n}"))]);
    }
    assert!(reader.call(subscribed.subscription, &Unsubscribe {}).is_ok());
    writer.append(theirs, &batch(&["unheard"])).unwrap();
    assert!(reader.call(0, &Ping { echo: vec![] }).is_ok(), "no push came before the answer");
    let over = reader.call(subscribed.subscription, &Unsubscribe {}).unwrap_err();
    assert_eq!(over.code, ErrorCode::UNKNOWN_SUBSCRIPTION);
}

#[test]
fn pushes_keep_to_their_credit_to_the_byte() {
    let dir = folder();
    let (_server, mut wire, handle) = one_partition(dir.path());
    let mut written = Vec::new();
    for n in 0..50 {
        let bytes = batch(&[format!("{n} {}", "z".repeat(n * 100))]);
        wire.append(handle, &bytes).unwrap();
        written.push(bytes.len());
    }
    let total: usize = written.iter().sum();
    let subscription = wire.subscribe(handle, 0, 1_000).subscription;
    let mut received = Vec::new();
    let mut credit = 1_000;
    while received.len() < total {
        let frame = wire.frame();
        let bytes = frame.push().1;
        assert!(!bytes.is_empty() && bytes.len() <= credit, "{} of {credit}", bytes.len());
        received.extend_from_slice(bytes);
        credit -= bytes.len();
        if credit == 0 {
            credit = 777;
            wire.send(subscription, &Credit { bytes: 777 });
        }
    }
    let expected: Vec<_> =
        (0..50).map(|n| (n as i64, format!("{n} {}", "z".repeat(n * 100)))).collect();
    assert_eq!(texts(&received), expected, "put together, the pushes are whole batches");
}

#[test]
fn a_subscription_begins_in_the_middle_and_never_past_the_end() {
    let dir = folder();
    let (_server, mut wire, handle) = one_partition(dir.path());
    wire.append(handle, &batch(&["a", "b"])).unwrap();
    wire.append(handle, &batch(&["c"])).unwrap();
    let past = wire.call(handle, &Subscribe { offset: 4, credit_bytes: 1 }).unwrap_err();
    assert_eq!(past.code, ErrorCode::OFFSET_OUT_OF_RANGE);
    wire.subscribe(handle, 2, 1 << 20);
    assert_eq!(texts(wire.frame().push().1), [(2, "c".to_owned())]);
    let at_end = wire.subscribe(handle, 3, 1 << 20).subscription;
    let append = wire.send_append(handle, &batch(&["d"]));
    // Both subscriptions and the answer, in any order.
    let frames = [wire.frame(), wire.frame(), wire.frame()];
    assert!(frames.iter().any(|frame| frame.header.correlation == append));
    let pushed: Vec<_> = frames.iter().filter(|f| f.header.correlation == 0).collect();
    assert!(pushed.iter().any(|frame| frame.header.handle == at_end));
    for frame in pushed {
        assert_eq!(values(frame.push().1), [(3, b"d".to_vec())]);
    }
}

#[test]
fn a_subscription_ends_with_its_topic_and_with_the_server() {
    let dir = folder();
    let (server, mut wire, handle) = one_partition(dir.path());
    let subscription = wire.subscribe(handle, 0, 1_000).subscription;
    let deleting = wire.send(0, &DeleteTopic { name: "events".into() });
    let frames = [wire.frame(), wire.frame()];
    let end = frames.iter().find(|frame| frame.header.correlation != deleting).unwrap();
    assert_eq!((end.header.handle, end.code()), (subscription, ErrorCode::STALE_HANDLE));

    wire.create("events", 1);
    let handle = wire.open("events", 0).handle;
    let subscription = wire.subscribe(handle, 0, 1_000).subscription;
    let stopping = std::thread::spawn(move || server.stop());
    let end = wire.frame();
    assert_eq!((end.header.handle, end.code()), (subscription, ErrorCode::SHUTTING_DOWN));
    assert!(stopping.join().unwrap().success());
}
