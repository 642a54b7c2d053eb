//! Deficit-weighted round robin over seats: whose turn it is, and what each turn costs.
//!
//! A seat may go while its credit is above zero and pays afterwards, so the credit may become a debt: a call that rides
//! in a batch that another seat's turn has formed is paid for without moving that turn. When nobody who could go has
//! credit left, as many rounds of credit are given at once as the first of them needs. No clock, no randomness.

use std::collections::VecDeque;

/// Rounds of credit that a seat may save up while it cannot go; more would let it hold up the others at its return.
const SAVED_ROUNDS_MAX: i64 = 64;

/// What empty seats held is kept for the next new ones, so many: whoever asks for one call at a time comes and goes with each, and
/// would allocate and free under the queue's lock.
const SPARES_MAX: usize = 8;

/// Seats in the order of their turns.
pub(crate) struct Ring<T> {
    seats: VecDeque<Seat<T>>,
    /// As empty as new ones, but with room.
    spares: Vec<T>,
}

pub(crate) struct Seat<T> {
    pub(crate) id: u64,
    pub(crate) weight: u32,
    credit: i64,
    pub(crate) holds: T,
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self { seats: VecDeque::new(), spares: Vec::new() }
    }
}

impl<T: Default> Ring<T> {
    /// Works on what the seat `id` holds; a new seat is the last in turn. The weight last given counts; 0 is taken for 1.
    pub(crate) fn with_seat<R>(&mut self, id: u64, weight: u32, work: impl FnOnce(&mut T) -> R) -> R {
        let weight = weight.max(1);
        if let Some(seat) = self.seats.iter_mut().find(|seat| seat.id == id) {
            seat.weight = weight;
            return work(&mut seat.holds);
        }
        let mut seat = Seat { id, weight, credit: 0, holds: self.spares.pop().unwrap_or_default() };
        let done = work(&mut seat.holds);
        self.seats.push_back(seat);
        done
    }
}

impl<T> Ring<T> {
    /// The seats, in the order of their turns.
    pub(crate) fn seats(&self) -> impl Iterator<Item = &Seat<T>> {
        self.seats.iter()
    }

    /// What the seat `id` holds, if there is such a seat.
    pub(crate) fn find(&mut self, id: u64) -> Option<&mut T> {
        self.seats.iter_mut().find(|seat| seat.id == id).map(|seat| &mut seat.holds)
    }

    /// Whether any seat fits.
    pub(crate) fn any(&self, fits: impl Fn(&T) -> bool) -> bool {
        self.seats.iter().any(|seat| fits(&seat.holds))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// Lets the seat whose turn it is among those that fit give something with its cost, and charges it.
    pub(crate) fn turn<R>(
        &mut self,
        fits: impl Fn(&T) -> bool,
        give: impl FnOnce(&mut T) -> Option<(R, u32)>,
        is_empty: impl Fn(&T) -> bool,
    ) -> Option<(R, u32)> {
        let at = self.next(&fits).or_else(|| {
            self.refill(&fits);
            self.next(&fits)
        })?;
        let seat = self.seats.get_mut(at)?;
        let (given, cost) = give(&mut seat.holds)?;
        seat.credit -= i64::from(cost);
        if is_empty(&seat.holds) {
            self.leave(at);
        } else if seat.credit <= 0 {
            let moved = self.seats.remove(at);
            self.seats.extend(moved);
        }
        Some((given, cost))
    }

    /// Takes something out of the seat `id`, without a turn and without a charge.
    pub(crate) fn take<R>(
        &mut self,
        id: u64,
        take: impl FnOnce(&mut T) -> Option<R>,
        is_empty: impl Fn(&T) -> bool,
    ) -> Option<R> {
        let at = self.seats.iter().position(|seat| seat.id == id)?;
        let seat = self.seats.get_mut(at)?;
        let taken = take(&mut seat.holds);
        if is_empty(&seat.holds) {
            self.leave(at);
        }
        taken
    }

    /// The empty seat at `at` goes.
    fn leave(&mut self, at: usize) {
        let Some(seat) = self.seats.remove(at) else { return };
        if self.spares.len() < SPARES_MAX {
            self.spares.push(seat.holds);
        }
    }

    /// The first that fits and has credit.
    fn next(&self, fits: impl Fn(&T) -> bool) -> Option<usize> {
        // Credit first: to look whether a seat fits is to look at all that it holds.
        self.seats.iter().position(|seat| seat.credit > 0 && fits(&seat.holds))
    }

    /// None of those that fit has credit: all seats get as many rounds as the nearest of them needs.
    fn refill(&mut self, fits: impl Fn(&T) -> bool) {
        let candidates = self.seats.iter().filter(|seat| fits(&seat.holds));
        let rounds = candidates.map(|seat| (-seat.credit.min(0)) / i64::from(seat.weight) + 1);
        let Some(rounds) = rounds.min() else { return };
        for seat in &mut self.seats {
            let weight = i64::from(seat.weight);
            let saved_max = seat.credit.max(weight * SAVED_ROUNDS_MAX);
            seat.credit = (seat.credit + rounds * weight).min(saved_max);
        }
    }
}
