//! A Redis server of one's own, and what can be done to it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// The password of every server that is started here.
pub const PASSWORD: &str = "secret";

/// A server, until it is dropped.
pub struct Server {
    program: String,
    pub port: u16,
    child: Child,
    control: BufReader<TcpStream>,
}

impl Server {
    pub fn start(program: &str) -> Result<Server> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let (child, control) = run(program, port)?;
        Ok(Server { program: program.to_owned(), port, child, control })
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again after a kill, empty.
    pub fn start_again(&mut self) -> Result<()> {
        (self.child, self.control) = run(&self.program, self.port)?;
        Ok(())
    }

    /// Sends its process a signal, such as STOP.
    pub fn signal(&self, signal: &str) -> Result<()> {
        let status =
            Command::new("kill").args([format!("-{signal}"), self.child.id().to_string()]).status()?;
        ensure!(status.success(), "kill -{signal} failed");
        Ok(())
    }

    /// Runs a command on a connection of its own, which no trouble reaches.
    pub fn command(&mut self, command: &str) -> Result<()> {
        self.control.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        let mut answer = String::new();
        self.control.read_line(&mut answer)?;
        ensure!(answer.starts_with(['+', ':']), "{command} was answered by {answer:?}");
        Ok(())
    }

    /// How many commands it has run so far.
    pub fn commands(&mut self) -> Result<u64> {
        self.control.get_mut().write_all(b"INFO stats\r\n")?;
        let mut count = None;
        // One text, whose length stands ahead of it.
        let mut line = String::new();
        self.control.read_line(&mut line)?;
        let mut left: usize =
            line.trim_start_matches('$').trim().parse().context("INFO was not answered by a text")?;
        left += 2;
        while left > 0 {
            line.clear();
            left = left.saturating_sub(self.control.read_line(&mut line)?.max(1));
            count =
                line.strip_prefix("total_commands_processed:").map(|count| count.trim().parse()).or(count);
        }
        Ok(count.context("INFO has no count of commands")??)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.signal("CONT");
        let _ = self.kill();
    }
}

fn run(program: &str, port: u16) -> Result<(Child, BufReader<TcpStream>)> {
    let options =
        ["--port", &port.to_string(), "--save", "", "--appendonly", "no", "--requirepass", PASSWORD];
    let quiet = Command::new(program).args(options).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let child =
        quiet.with_context(|| format!("start {program}; name another server by REDIS_SERVER=path"))?;
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            let mut control = BufReader::new(stream);
            control.get_mut().write_all(format!("AUTH {PASSWORD}\r\n").as_bytes())?;
            let mut answer = String::new();
            if control.read_line(&mut answer).is_ok() && answer.starts_with("+OK") {
                return Ok((child, control));
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("{program} did not answer within 10 s")
}
