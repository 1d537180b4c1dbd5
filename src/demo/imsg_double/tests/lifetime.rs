//! The double while it runs, and when its input or its listener goes away.

use super::*;

/// How long a test waits for an answer before it fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn reads_overtake_a_hung_send_and_the_end_of_input_frees_it() {
    let f = fixture();
    let (lines, input) = mpsc::channel::<Vec<u8>>();
    let (output, answers) = mpsc::channel();
    let pipe = BufReader::new(Pipe { input, rest: Vec::new() });
    let (path, options) = (f.db_path(), f.options());
    let double = thread::spawn(move || serve(&path, options, pipe, Sink(output)));
    let send = |text: &str| json!({"chat_id": 1, "text": text});

    lines.send(request(1, "send", send("[[imsg:hang]]")).into_bytes()).unwrap();
    lines.send(request(2, "send", send("behind it")).into_bytes()).unwrap();
    lines.send(request(3, "status", json!({})).into_bytes()).unwrap();
    let first: Value = serde_json::from_slice(&answers.recv_timeout(PATIENCE).unwrap()).unwrap();
    assert_eq!(first["id"], 3);
    assert_eq!(f.sent("behind it"), 0);

    drop(lines);
    double.join().unwrap().unwrap();
    let second: Value = serde_json::from_slice(&answers.recv_timeout(PATIENCE).unwrap()).unwrap();
    assert_eq!(second["id"], 2);
    assert_eq!(f.sent("behind it"), 1);
    assert!(answers.recv().is_err());
}

#[test]
fn nobody_listening_does_not_undo_a_send() {
    let f = fixture();
    let (output, answers) = mpsc::channel();
    drop(answers);
    let line = request(1, "send", json!({"chat_id": 1, "text": "unheard"}));
    let served = serve(&f.db_path(), f.options(), line.as_bytes(), Sink(output));
    assert_eq!(served.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(f.sent("unheard"), 1);
}

#[test]
fn people_write_while_sends_go_out() {
    const EACH: usize = 60;
    let f = fixture();
    let db = MessagesDb::open(&f.db_path()).unwrap();
    let alice = db.person(&f.chat.identifier, Service::IMessage).unwrap();
    let send = |id| request(id, "send", json!({"chat_id": 1, "text": format!("answer {id}.")}));
    let lines: String = (0..EACH as u64).map(send).collect();
    let codes = thread::scope(|scope| {
        let served = scope.spawn(|| f.serve(f.options(), &lines));
        for number in 0..EACH {
            db.inbound(&f.chat, &alice, &format!("question {number}."), Shape::Plain).unwrap();
        }
        served.join().unwrap().iter().map(code).collect::<Vec<_>>()
    });
    assert_eq!(codes, [0; EACH]);
    assert_eq!(f.sent("answer"), EACH);
    assert_eq!(db.messages_after(0, 1_000).unwrap().len(), 2 * EACH);
}

/// An input that ends when its sender does.
struct Pipe {
    input: mpsc::Receiver<Vec<u8>>,
    rest: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            self.rest = self.input.recv().unwrap_or_default();
        }
        let count = self.rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }
}

/// An output that hands each line on.
struct Sink(mpsc::Sender<Vec<u8>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.send(bytes.to_vec());
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
