//! The places that all functions share, and the line of those that wait for one, tenants by their weights.
//!
//! While nobody waits a place is one counter. A place that comes free while somebody waits is handed to whose turn it is; who comes
//! meanwhile goes to the end of the line.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use modelet_spec::Flow;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout_at;

use crate::line::Line;

/// The places, shared by all requests.
#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    max: usize,
    /// Those in the line, and those on their way into it.
    waiting: AtomicUsize,
    tickets: AtomicU64,
    line: Mutex<Line<Waiter>>,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Option<Arc<Places>>);

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    place: oneshot::Sender<Place>,
}

impl Places {
    /// All are free.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(max)),
            max,
            waiting: AtomicUsize::new(0),
            tickets: AtomicU64::new(0),
            line: Mutex::default(),
        })
    }

    /// Those that are free.
    pub(crate) fn free(&self) -> Arc<Semaphore> {
        Arc::clone(&self.free)
    }

    /// How many there are.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// A place, if one is free and nobody waits.
    pub(crate) fn take_now(self: &Arc<Self>) -> Option<Place> {
        if self.waiting.load(Ordering::Relaxed) > 0 { None } else { self.take_free() }
    }

    /// A place, waited for until then; `None`: as many wait as there are places, and the tenant has its part of the line; or none came.
    pub(crate) async fn take(self: &Arc<Self>, flow: &Flow, until: Instant) -> Option<Place> {
        if let Some(place) = self.take_now() {
            return Some(place);
        }
        let mut in_line = InLine::enter(self, flow)?;
        let receiver = match in_line.stand() {
            Ok(place) => return Some(place),
            Err(receiver) => receiver,
        };
        let heard = timeout_at(until.into(), receiver).await.ok()?;
        // Whoever hears something is in the line no longer: served, or sent away.
        in_line.ticket = None;
        heard.ok()
    }

    fn take_free(self: &Arc<Self>) -> Option<Place> {
        self.free.try_acquire().ok()?.forget();
        Some(Place(Some(Arc::clone(self))))
    }

    /// Hands free places to those that wait.
    fn serve(self: &Arc<Self>) {
        loop {
            let (place, next) = {
                let mut line = self.lock();
                if line.is_empty() {
                    return;
                }
                let Some(place) = self.take_free() else { return };
                (place, line.pop())
            };
            let left = match next {
                Some(waiter) => waiter.place.send(place).err(),
                None => Some(place),
            };
            // Whoever it was for has just left: the next one gets it.
            if let Some(place) = left {
                place.put_back();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Line<Waiter>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Place {
    /// Gives it back, and leaves it to the caller to look who waits.
    fn put_back(mut self) {
        if let Some(places) = self.0.take() {
            places.free.add_permits(1);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(places) = self.0.take() else { return };
        places.free.add_permits(1);
        // Either this sees who begins to wait, or that one sees the place: see `InLine::stand`.
        fence(Ordering::SeqCst);
        if places.waiting.load(Ordering::Relaxed) > 0 {
            places.serve();
        }
    }
}

/// Somebody who waits; leaves the line when dropped.
struct InLine<'a> {
    places: &'a Arc<Places>,
    flow: Flow,
    ticket: Option<u64>,
}

impl<'a> InLine<'a> {
    /// `None`: as many wait as there are places, and none of them has to leave for this one.
    fn enter(places: &'a Arc<Places>, flow: &Flow) -> Option<Self> {
        let entered = Self { places, flow: *flow, ticket: None };
        let before = places.waiting.fetch_add(1, Ordering::Relaxed);
        if before < places.max {
            return Some(entered);
        }
        // Whoever has to leave hears of it when its end of the channel is dropped.
        let evicted = places.lock().evict_for(flow.group, flow.weight);
        evicted.map(|_| entered)
    }

    /// Goes to the end of the line, unless a place came free meanwhile and nobody is before.
    fn stand(&mut self) -> Result<Place, oneshot::Receiver<Place>> {
        fence(Ordering::SeqCst);
        let mut line = self.places.lock();
        if line.is_empty()
            && let Some(place) = self.places.take_free()
        {
            return Ok(place);
        }
        let (sender, receiver) = oneshot::channel();
        let ticket = self.places.tickets.fetch_add(1, Ordering::Relaxed);
        self.ticket = Some(ticket);
        line.push(self.flow.group, self.flow.weight, Waiter { ticket, place: sender });
        Err(receiver)
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.places.lock().remove(self.flow.group, ticket, |waiter| waiter.ticket);
        }
        self.places.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::sync::mpsc;

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn flow(group: u64, weight: u32) -> Flow {
        Flow { weight, ..Flow::new(group, group) }
    }

    /// Somebody who waits for a place, says so when it has it, and gives it to who asks.
    fn wait(places: &Arc<Places>, flow: Flow, had: &mpsc::UnboundedSender<(u64, Place)>) {
        let (places, had) = (Arc::clone(places), had.clone());
        tokio::spawn(async move {
            if let Some(place) = places.take(&flow, far()).await {
                had.send((flow.group, place)).unwrap();
            }
        });
    }

    async fn until_waiting(places: &Arc<Places>, count: usize) {
        while places.waiting() != count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn places_that_come_free_go_to_tenants_by_their_weights() {
        let places = Places::new(16);
        let held: Vec<Place> = (0..16).map_while(|_| places.take_now()).collect();
        let (sender, mut had) = mpsc::unbounded_channel();
        (0..8).for_each(|_| wait(&places, flow(1, 1), &sender));
        until_waiting(&places, 8).await;
        (0..8).for_each(|_| wait(&places, flow(2, 3), &sender));
        until_waiting(&places, 16).await;
        assert!(places.take(&flow(1, 1), far()).await.is_none(), "as many wait as there are places");
        let mut kept = Vec::new();
        for place in held.into_iter().take(8) {
            drop(place);
            kept.push(had.recv().await.unwrap());
        }
        let of = |group: u64| kept.iter().filter(|(by, _)| *by == group).count();
        assert_eq!((of(1), of(2)), (2, 6));
        drop(kept);
        for _ in 0..8 {
            assert!(had.recv().await.is_some(), "and then all the others");
        }
        until_waiting(&places, 0).await;
    }

    #[tokio::test]
    async fn a_tenant_that_fills_the_line_keeps_nobody_out() {
        let places = Places::new(4);
        let held: Vec<Place> = (0..4).map_while(|_| places.take_now()).collect();
        let (sender, mut had) = mpsc::unbounded_channel();
        (0..4).for_each(|_| wait(&places, flow(1, 1), &sender));
        until_waiting(&places, 4).await;
        wait(&places, flow(2, 1), &sender);
        while !places.lock().has(2) {
            tokio::task::yield_now().await;
        }
        drop(held);
        let mut by = Vec::new();
        drop(sender);
        while let Some((group, _place)) = had.recv().await {
            by.push(group);
        }
        by.sort_unstable();
        assert_eq!(by, [1, 1, 1, 2], "the newest of the first had to leave");
        assert_eq!((places.free.available_permits(), places.waiting()), (4, 0));
    }

    #[tokio::test]
    async fn who_leaves_takes_no_place_with_it_and_who_comes_does_not_push_in() {
        let places = Places::new(1);
        let held = places.take_now().unwrap();
        assert!(places.take(&flow(1, 1), Instant::now()).await.is_none(), "the wait is over");
        let (sender, mut had) = mpsc::unbounded_channel();
        wait(&places, flow(1, 1), &sender);
        until_waiting(&places, 1).await;
        drop(held);
        assert!(places.take_now().is_none(), "it is the other's");
        let (_, place) = had.recv().await.unwrap();
        assert_eq!((places.free.available_permits(), places.waiting()), (0, 0));
        drop(place);
        assert_eq!(places.free.available_permits(), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_place_is_lost_and_nobody_is_forgotten_whatever_the_order() {
        let places = Places::new(4);
        let tasks = (0..64_u64).map(|number| {
            let places = Arc::clone(&places);
            tokio::spawn(async move {
                for turn in 0..200_u64 {
                    // Some give up at once.
                    let until = if (number + turn) % 7 == 0 { Instant::now() } else { far() };
                    let place = places.take(&flow(number % 5, 1 + (number % 3) as u32), until).await;
                    tokio::task::yield_now().await;
                    drop(place);
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            tokio::time::timeout(Duration::from_secs(60), task).await.expect("somebody was forgotten").unwrap();
        }
        assert_eq!((places.free.available_permits(), places.waiting()), (4, 0));
        assert!(places.lock().is_empty());
    }
}
