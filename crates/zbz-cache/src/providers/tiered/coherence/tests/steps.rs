//! What may happen next, and what happens then.

use super::*;

impl World {
    /// What may happen next.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = vec![Step::Tick];
        for (number, read) in self.reads.iter().enumerate() {
            match read {
                // Of readers that do nothing one is as good as another.
                None if self.reads[..number].iter().all(Option::is_some) => {
                    steps.extend((0..self.keys).map(|key| Step::Read(number, key)));
                }
                None => {}
                Some(Read { version: None, .. }) => steps.push(Step::Answer(number)),
                Some(_) => steps.push(Step::Fill(number)),
            }
        }
        match (&self.serving, &self.copies[0]) {
            (Some(_), _) => steps.push(Step::Serve),
            (None, Some(_)) => steps.push(Step::Find(0)),
            (None, None) => {}
        }
        match self.write {
            None => steps.push(Step::Write(0)),
            Some((_, Write::Sent)) => {
                steps.extend([Step::GoOn, Step::Land]);
                if self.loose.is_none() {
                    steps.push(Step::GiveUp);
                }
            }
            Some(_) => steps.push(Step::GoOn),
        }
        if self.loose.is_some() {
            steps.push(Step::Land);
        }
        steps.extend((0..self.keys).map(Step::WriteElsewhere));
        steps.push(Step::Flush);
        if self.taking.is_some() || !self.queue.is_empty() {
            steps.push(Step::Take);
        }
        match (self.is_up, self.is_lost) {
            (true, false) => steps.extend([Step::Die, Step::TellLoss, Step::Ping]),
            (true, true) => steps.push(Step::Die),
            (false, false) => steps.push(Step::TellLoss),
            (false, true) => steps.push(Step::Reconnect),
        }
        steps
    }

    pub(super) fn take_step(&mut self, step: Step) -> Result<(), &'static str> {
        match step {
            Step::Tick => self.now += 1,
            Step::Read(number, key) => {
                let token = self.coherence.take_token(SPACE, key as u64, self.now);
                self.reads[number] = Some(Read { key, token, begun: self.begun[key], version: None });
            }
            Step::Answer(number) => {
                if let Some(read) = &mut self.reads[number] {
                    read.version = Some(self.far[read.key]);
                }
            }
            Step::Fill(number) => self.fill(number),
            Step::Find(key) => {
                if let Some(copy) = self.copies[key] {
                    let was_right = self.wrong(key, &copy).is_none();
                    let (live_until, epoch_is_same) = (None, None);
                    self.serving = Some(Serving { key, copy, was_right, live_until, epoch_is_same });
                }
            }
            Step::Serve => return self.serve(),
            Step::Write(key) => {
                if self.fault != Fault::WriteBeginsUnseen {
                    self.revoke(key);
                }
                self.begun[key] += 1;
                self.write = Some((key, Write::Counted));
            }
            Step::GoOn => self.write_on(),
            Step::GiveUp => {
                if let Some((key, _)) = self.write {
                    self.loose = Some(key);
                    self.write = Some((key, Write::Ended(None)));
                }
            }
            Step::Land => match (self.loose.take(), self.write) {
                (Some(key), _) => self.change(key),
                (None, Some((key, Write::Sent))) => {
                    self.change(key);
                    self.write = Some((key, Write::Done(self.far[key])));
                }
                _ => {}
            },
            Step::WriteElsewhere(key) => self.change(key),
            Step::Flush => {
                self.far = self.far.map(|version| version + 1);
                if self.is_up {
                    self.queue.push_back(Push::Flush(self.far));
                }
            }
            Step::Take => self.take_push(),
            Step::Die => self.die(),
            Step::TellLoss => {
                self.die();
                self.tell_loss();
            }
            Step::Reconnect => {
                self.is_up = true;
                self.queue.push_back(Push::Proof(self.now, Some(self.far)));
            }
            Step::Ping => self.queue.push_back(Push::Proof(self.now, None)),
        }
        Ok(())
    }

    /// Stores what was read, if it may.
    fn fill(&mut self, number: usize) {
        let read = self.reads[number].take();
        let Some(Read { key, token: Some(token), begun, version: Some(version) }) = read else { return };
        if self.is_good(&token) {
            self.copies[key] = Some(CopyNear { version, stamp: token.stamp, begun });
        }
    }

    fn die(&mut self) {
        self.is_up = false;
        self.queue.clear();
        if let Some((key, _)) = self.taking.take() {
            // What was told half is told whole.
            self.copies[key] = None;
        }
    }

    fn tell_loss(&mut self) {
        if self.fault != Fault::LossIsIgnored {
            self.coherence.lose(SPACE);
        }
        self.is_lost = true;
    }

    fn write_on(&mut self) {
        let Some((key, write)) = self.write else { return };
        let (begins, ends) = (self.fault != Fault::WriteBeginsUnseen, self.fault != Fault::WriteEndsUnseen);
        self.write = Some((
            key,
            match write {
                Write::Counted => {
                    if begins {
                        self.copies[key] = None;
                    }
                    Write::Deleted
                }
                Write::Deleted => Write::Sent,
                // Refused, or timed out on its way.
                Write::Sent => Write::Ended(None),
                Write::Done(version) => Write::Ended(Some(version)),
                Write::Ended(version) => {
                    if ends {
                        self.revoke(key);
                    }
                    Write::EndCounted(version)
                }
                Write::EndCounted(version) => {
                    if ends {
                        self.copies[key] = None;
                    }
                    self.floor[key] = self.floor[key].max(version.unwrap_or(0));
                    self.write = None;
                    return;
                }
            },
        ));
    }

    fn take_push(&mut self) {
        let (counts, deletes, swapped) = match self.fault {
            Fault::PushDoesNotRevoke => (false, true, false),
            Fault::PushDoesNotDelete => (true, false, false),
            Fault::PushDeletesFirst => (true, true, true),
            _ => (true, true, false),
        };
        if let Some((key, version)) = self.taking.take() {
            if swapped {
                self.revoke(key);
            } else if deletes {
                self.copies[key] = None;
            }
            self.floor[key] = self.floor[key].max(version);
            return;
        }
        match self.queue.pop_front() {
            Some(Push::Key(key, version)) => {
                if swapped {
                    self.copies[key] = None;
                } else if counts {
                    self.revoke(key);
                }
                self.taking = Some((key, version));
            }
            Some(Push::Flush(versions)) => {
                if self.fault != Fault::FlushRevokesNothing {
                    self.coherence.revoke_all(SPACE);
                }
                self.raise(versions);
            }
            Some(Push::Proof(asked, over)) => {
                let until = if self.fault == Fault::ProofNeverEnds { u64::MAX } else { asked + SPAN };
                match self.fault {
                    Fault::LateProofGoesOn => {
                        self.coherence.liveness[0].live_until.store(until, Ordering::Relaxed);
                    }
                    _ => self.coherence.prove(SPACE, self.now, until),
                }
                self.proven = asked;
                if let Some(versions) = over {
                    self.is_lost = false;
                    self.raise(versions);
                }
            }
            None => {}
        }
    }

    fn raise(&mut self, versions: [u8; KEYS]) {
        for (floor, version) in self.floor.iter_mut().zip(versions) {
            *floor = (*floor).max(version);
        }
    }

    /// One more step of the near read: `live_until`, the epoch, the time.
    fn serve(&mut self) -> Result<(), &'static str> {
        let Some(mut serving) = self.serving.take() else { return Ok(()) };
        let epoch_is_same = self.epoch() == serving.copy.stamp;
        let swapped = self.fault == Fault::ServesByALaterProof;
        match (serving.live_until, serving.epoch_is_same) {
            (None, None) if swapped => serving.epoch_is_same = Some(epoch_is_same),
            (None, _) => serving.live_until = Some(self.live_until()),
            (Some(_), None) => serving.epoch_is_same = Some(epoch_is_same),
            (Some(live_until), Some(is_same)) => {
                let is_served = is_same && self.now < live_until;
                return match is_served && !serving.was_right {
                    true => Err("served what was wrong when it was found"),
                    false => Ok(()),
                };
            }
        }
        self.serving = Some(serving);
        Ok(())
    }

    fn revoke(&self, key: usize) {
        self.coherence.revoke(key as u64);
    }

    fn change(&mut self, key: usize) {
        self.far[key] += 1;
        if self.is_up {
            self.queue.push_back(Push::Key(key, self.far[key]));
        }
    }
}
