//! A proxy in front of the server, which can be slow or refuse connections.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// What the proxy does to connections. The flags guard nothing, so Relaxed suffices.
#[derive(Default)]
pub struct Trouble {
    delay_ms: AtomicU64,
    refuses: AtomicBool,
    connections: Mutex<JoinSet<()>>,
}

impl Trouble {
    /// Each answer takes this much longer.
    pub fn delay(&self, span: Duration) -> Result<()> {
        self.delay_ms.store(span.as_millis() as u64, Relaxed);
        Ok(())
    }

    /// Refuses new connections, and ends those that there are; or takes them again.
    pub fn refuse(&self, refuses: bool) -> Result<()> {
        self.refuses.store(refuses, Relaxed);
        if refuses {
            self.connections().abort_all();
        }
        Ok(())
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins a proxy to a port of this machine; answers its own port.
pub async fn start(to: u16) -> Result<(u16, Arc<Trouble>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (port, trouble) = (listener.local_addr()?.port(), Arc::new(Trouble::default()));
    let shared = Arc::clone(&trouble);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            // Ended at once, it is to the client as good as refused.
            if !shared.refuses.load(Relaxed) {
                let trouble = Arc::clone(&shared);
                let mut connections = shared.connections();
                while connections.try_join_next().is_some() {}
                connections.spawn(async move { carry(client, to, &trouble).await });
            }
        }
    });
    Ok((port, trouble))
}

async fn carry(client: TcpStream, to: u16, trouble: &Trouble) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((mut asks, mut hears), (mut answers, mut commands)) = (client.into_split(), server.into_split());
    let there = async { tokio::io::copy(&mut asks, &mut commands).await.map(drop) };
    let (later, mut due) = mpsc::unbounded_channel();
    let take = async {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let len = answers.read(&mut bytes).await?;
            let at = Instant::now() + Duration::from_millis(trouble.delay_ms.load(Relaxed));
            if len == 0 || later.send((at, bytes[..len].to_vec())).is_err() {
                return std::io::Result::Ok(());
            }
        }
    };
    let give = async {
        while let Some((at, bytes)) = due.recv().await {
            sleep_until(at).await;
            hears.write_all(&bytes).await?;
        }
        std::io::Result::Ok(())
    };
    tokio::select! { _ = there => {}, _ = take => {}, _ = give => {} }
}
