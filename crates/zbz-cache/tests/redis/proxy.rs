//! A proxy between a provider and its server, which fails on demand.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What the proxy does with what passes it.
#[derive(Debug, Clone, Default)]
pub enum Fault {
    #[default]
    None,
    /// Nothing gets through, on no connection that is there meanwhile, ever again.
    Silent,
    /// Replies come late.
    Slow(Duration),
    /// So many bytes a second get through to the server, over each connection.
    Narrow(usize),
    /// So many bytes of replies get through yet, over all connections; the next ends its own.
    Cut(usize),
    /// As `Cut`, once: the connections after that one are whole.
    CutOnce(usize),
    /// The next reply is this instead, once.
    Garbage(Vec<u8>),
}

#[derive(Default)]
struct Shared {
    fault: Fault,
    /// Both ends of each connection, to end them.
    open: Vec<TcpStream>,
    /// Where bytes went last, and how often they turned to the server.
    to_server: bool,
    turns: u64,
    connections: u64,
    replied: u64,
}

/// A port that leads to a server.
pub struct Proxy {
    pub port: u16,
    server: Arc<AtomicU16>,
    shared: Arc<Mutex<Shared>>,
    listener: Option<(TcpListener, thread::JoinHandle<()>)>,
}

impl Proxy {
    pub fn to(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Arc::new(AtomicU16::new(server));
        let mut proxy = Proxy { port, server, shared: Arc::default(), listener: None };
        proxy.listen(listener);
        proxy
    }

    fn listen(&mut self, listener: TcpListener) {
        let (shared, server) = (Arc::clone(&self.shared), Arc::clone(&self.server));
        let accepting = listener.try_clone().unwrap();
        let accept = move || {
            for client in accepting.incoming() {
                let Ok(client) = client else { return };
                // Without a server the connection ends, as one to a machine without it does.
                let server = TcpStream::connect(("127.0.0.1", server.load(Ordering::SeqCst)));
                let Ok(server) = server else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let ends = [&client, &server].map(|end| end.try_clone().unwrap());
                {
                    let mut shared = shared.lock().unwrap();
                    shared.open.extend(ends);
                    shared.connections += 1;
                }
                let ends = [&client, &server].map(|end| end.try_clone().unwrap());
                let (to_server, to_client) = (Arc::clone(&shared), Arc::clone(&shared));
                let [client_too, server_too] = ends;
                thread::spawn(move || pump(client, server_too, true, &to_server));
                thread::spawn(move || pump(server, client_too, false, &to_client));
            }
        };
        self.listener = Some((listener, thread::spawn(accept)));
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn set(&self, fault: Fault) {
        self.shared.lock().unwrap().fault = fault;
    }

    /// Leads new connections to another server.
    pub fn lead_to(&self, server: u16) {
        self.server.store(server, Ordering::SeqCst);
    }

    /// Ends all connections, as a cut cable or an ended process does.
    pub fn cut_all(&self) {
        for end in self.shared.lock().unwrap().open.drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Stops listening.
    pub fn refuse(&mut self) {
        if let Some((listener, accepting)) = self.listener.take() {
            // The thread that waits for a connection gets one, and ends; the port is free after that.
            listener.set_nonblocking(true).unwrap();
            let _ = TcpStream::connect(("127.0.0.1", self.port));
            drop(listener);
            accepting.join().unwrap();
        }
        self.cut_all();
    }

    /// Listens again.
    pub fn accept_again(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).unwrap();
        self.listen(listener);
    }

    /// How often bytes turned towards the server: the round trips.
    pub fn turns(&self) -> u64 {
        self.shared.lock().unwrap().turns
    }

    /// How many connections there were.
    pub fn connections(&self) -> u64 {
        self.shared.lock().unwrap().connections
    }

    /// How many bytes of replies got through.
    pub fn replied(&self) -> u64 {
        self.shared.lock().unwrap().replied
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse();
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, to_server: bool, shared: &Mutex<Shared>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut lost = false;
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 {
            break;
        }
        let mut bytes = &buffer[..count];
        let instead;
        let fault = {
            let mut shared = shared.lock().unwrap();
            if to_server && !shared.to_server {
                shared.turns += 1;
            }
            shared.to_server = to_server;
            shared.fault.clone()
        };
        let mut ends = false;
        match fault {
            Fault::Silent => lost = true,
            Fault::Narrow(rate) if to_server => {
                thread::sleep(Duration::from_secs_f64(count as f64 / rate as f64));
            }
            Fault::Slow(span) if !to_server => thread::sleep(span),
            Fault::Cut(_) | Fault::CutOnce(_) if !to_server => {
                let mut shared = shared.lock().unwrap();
                if let Fault::Cut(left) | Fault::CutOnce(left) = &mut shared.fault {
                    let passes = (*left).min(bytes.len());
                    *left -= passes;
                    ends = passes < bytes.len();
                    bytes = &bytes[..passes];
                }
                if ends && matches!(shared.fault, Fault::CutOnce(_)) {
                    shared.fault = Fault::None;
                }
            }
            Fault::Garbage(garbage) if !to_server => {
                shared.lock().unwrap().fault = Fault::None;
                instead = garbage;
                bytes = &instead;
            }
            _ => {}
        }
        if lost {
            continue;
        }
        if !to_server {
            shared.lock().unwrap().replied += bytes.len() as u64;
        }
        if to.write_all(bytes).is_err() || ends {
            break;
        }
    }
    let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
}
