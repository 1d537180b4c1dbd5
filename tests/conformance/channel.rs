//! What every channel must do: take a part, prove it, and settle doubt about it.

use std::sync::Arc;
use std::time::Duration;

use telson::actors::channel::imessage::verdict::WatchLimits;
use telson::actors::channel::imessage::{ImessageConfig, ImessageDeps, build};
use telson::actors::channel::{Callback, Channel, Outbound, SendOutcome, Settled};
use telson::actors::clock::Clock;
use telson::actors::message::{AccountKey, Destination};
use telson::actors::router::Admissions;
use telson::actors::store::{MemoryBackend, Store};
use telson::demo::messages_db::{MessagesDb, Service};
use telson::supervision::{Registry, Strategy, SupervisorSpec, Tree};

fn part(account: &AccountKey, target: &str, entry: &str, text: &str) -> Outbound {
    Outbound {
        entry: entry.into(),
        to: Destination { account: account.clone(), target: target.into(), thread: None },
        text: text.into(),
        attempted_at: Clock::system().now(),
    }
}

async fn suite(channel: &dyn Channel, account: &AccountKey, target: &str, proves: bool) {
    let limits = channel.capabilities();
    assert!(limits.text_max > 0 && limits.sends_in_flight_max > 0);
    for text in ["hello", "déjà vu 👍\nsecond line", "hello"] {
        let part = part(account, target, "e1", text);
        let evidence = channel.prepare(&part).await.expect("nothing stands in the way");
        let outcome = channel.send(&part, &evidence).await;
        assert!(matches!(outcome, SendOutcome::Sent(_)), "{text:?}: {outcome:?}");
        // D6: asked about an attempt that succeeded, it finds the proof or says that it can't.
        let settled = channel.reconcile(&part, &evidence).await;
        match settled {
            Settled::Sent(_) => {}
            Settled::Unresolved(_) => assert!(!proves, "this channel can prove what it sent"),
            Settled::NotSent(_) | Settled::Wait(_) => panic!("{settled:?} about a sent part"),
        }
    }
    // An attempt that was prepared and never made is never taken for one that succeeded.
    let never = part(account, target, "e2", "never sent");
    let evidence = channel.prepare(&never).await.unwrap();
    let settled = channel.reconcile(&never, &evidence).await;
    assert!(!matches!(settled, Settled::Sent(_)), "{settled:?} about a part that was not sent");
}

#[tokio::test]
async fn callback() {
    let channel = Callback::new(|_| Ok(()));
    suite(&channel, &AccountKey::new("callback", "default"), "anna", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imessage() {
    let dir = tempfile::tempdir().unwrap();
    let db_path = dir.path().join("chat.db");
    let db = MessagesDb::create(&db_path).unwrap();
    let person = db.person("+15550100001", Service::IMessage).unwrap();
    let chat = db.direct_chat(&person).unwrap();
    let registry = Registry::new();
    let account = AccountKey::new("imessage", "default");
    let (channel, children) = build(&ImessageDeps {
        config: config(&account, dir.path(), &db_path),
        registry: registry.clone(),
        clock: Clock::system(),
        admissions: Admissions::new(&registry),
        store: Store::inline(Arc::new(MemoryBackend::new())).unwrap(),
        admitting: Arc::default(),
    });
    let spec = SupervisorSpec::new("test", Strategy::OneForOne, 3, Duration::from_mins(1));
    let tree = Tree::start(children.into_iter().fold(spec, SupervisorSpec::child)).await.unwrap();
    suite(&*channel, &account, &format!("chat_guid:{}", chat.guid), true).await;
    assert_eq!(db.outgoing_texts().unwrap().len(), 3, "the database has each part once");
    tree.shutdown(Duration::from_secs(5)).await;
}

fn config(
    account: &AccountKey,
    dir: &std::path::Path,
    db_path: &std::path::Path,
) -> ImessageConfig {
    let imsg = dir.join("imsg");
    let script = format!("#!/bin/sh\nexec '{}' imsg-double \"$@\"\n", env!("CARGO_BIN_EXE_telson"));
    std::fs::write(&imsg, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&imsg, mode).unwrap();
    ImessageConfig {
        account: account.clone(),
        cli_path: imsg.to_string_lossy().into_owned(),
        db_path: db_path.to_owned(),
        tell_db_path: true,
        home: None,
        text_max: 4000,
        service: "auto".into(),
        region: "US".into(),
        limits: WatchLimits::default(),
        send_max: Duration::from_secs(20),
        settle_max: Duration::from_secs(2),
    }
}
