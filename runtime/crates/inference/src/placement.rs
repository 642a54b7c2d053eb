//! Which device a model goes to: a pure choice.

use modelet_spec::{Device, DeviceWish};

/// A device that is there, and what of it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Which.
    pub device: Device,
    /// Bytes that models may take.
    pub memory_max: u64,
    /// Bytes that they take now.
    pub taken: u64,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A device was demanded that is not there.
    Absent(Device),
    /// Not even an empty device has room for it.
    TooLarge {
        /// The largest of those that were asked.
        device: Device,
        /// What it has for all models, in bytes.
        memory_max: u64,
    },
}

/// The index in `rooms`, which are in order of preference, of the one that a model with about `bytes` goes to:
///
/// - a device that is demanded, or none;
/// - else the one that is wished for, then the others in their order: the first with so much free, else the first that
///   would have it if it were empty.
///
/// The CPU is never too small here: what its arena has no room for is refused when it is asked for.
///
/// # Errors
/// See [`Refusal`].
pub fn place(wish: Option<DeviceWish>, rooms: &[Room], bytes: u64) -> Result<usize, Refusal> {
    let wished = wish.and_then(|wish| rooms.iter().position(|room| room.device == wish.device));
    let order: Vec<usize> = match (wish, wished) {
        (Some(wish), None) if wish.is_demanded => return Err(Refusal::Absent(wish.device)),
        (Some(wish), Some(index)) if wish.is_demanded => vec![index],
        (_, first) => first.into_iter().chain((0..rooms.len()).filter(|index| Some(*index) != first)).collect(),
    };
    let rooms = || order.iter().filter_map(|index| Some((*index, rooms.get(*index)?)));
    let fitting = |fits: fn(&Room, u64) -> bool| rooms().find(|(_, room)| fits(room, bytes)).map(|(index, _)| index);
    fitting(|room, bytes| room.memory_max.saturating_sub(room.taken) >= bytes)
        .or_else(|| fitting(|room, bytes| room.device.is_cpu() || room.memory_max >= bytes))
        .ok_or_else(|| {
            let largest = rooms().map(|(_, room)| room).max_by_key(|room| room.memory_max);
            let of = |room: &Room| Refusal::TooLarge { device: room.device, memory_max: room.memory_max };
            largest.map_or(Refusal::Absent(wish.unwrap_or_default().device), of)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Devices as `cuda:0=60/100`: taken and allowed.
    fn rooms(text: &str) -> Vec<Room> {
        let room = |text: &str| {
            let (device, bytes) = text.split_once('=').unwrap();
            let (taken, max) = bytes.split_once('/').unwrap();
            Room { device: device.parse().unwrap(), memory_max: max.parse().unwrap(), taken: taken.parse().unwrap() }
        };
        text.split_whitespace().map(room).collect()
    }

    fn placed(wish: &str, text: &str, bytes: u64) -> Result<String, Refusal> {
        let rooms = rooms(text);
        let wish = (!wish.is_empty()).then(|| wish.parse().unwrap());
        place(wish, &rooms, bytes).map(|index| rooms[index].device.to_string())
    }

    #[test]
    fn the_first_with_room_is_taken_and_a_wish_comes_first() {
        let two = "cuda:0=60/100 cuda:1=0/100 cpu=0/1000";
        for (wish, bytes, expected) in [
            ("", 40, "cuda:0"),
            ("", 41, "cuda:1"),
            ("", 101, "cpu"),
            ("cpu", 1, "cpu"),
            ("cuda:1", 1, "cuda:1"),
            ("cuda:1!", 100, "cuda:1"),
            // Room can be made for what is demanded; what is only wished for goes where there is some.
            ("cuda:0!", 100, "cuda:0"),
            ("cuda:0", 100, "cuda:1"),
            ("tensorrt:0", 1, "cuda:0"),
        ] {
            assert_eq!(placed(wish, two, bytes).as_deref(), Ok(expected), "{wish} {bytes}");
        }
        assert_eq!(placed("", "cuda:0=60/100 cuda:1=90/90", 70).as_deref(), Ok("cuda:0"), "would have it if empty");
        assert_eq!(placed("", "cuda:0=0/10 cpu=5/5", 70).as_deref(), Ok("cpu"), "its arena decides");
    }

    #[test]
    fn what_is_demanded_is_met_or_refused() {
        assert_eq!(placed("cuda:0!", "cpu=0/1", 1), Err(Refusal::Absent(Device::Cuda(0))));
        let small = Refusal::TooLarge { device: Device::Cuda(0), memory_max: 100 };
        assert_eq!(placed("cuda:0!", "cuda:0=0/100 cpu=0/1000", 101), Err(small));
        assert_eq!(placed("", "cuda:1=0/50 cuda:0=0/100", 101), Err(small));
    }

    proptest! {
        #[test]
        fn nobody_gets_another_device_than_demanded_and_no_budget_is_passed_while_another_has_room(
            wish in prop::option::of((0u32..4, any::<bool>())),
            taken in prop::collection::vec((0u64..100, 1u64..100), 1..4),
            bytes in 0u64..150,
        ) {
            let rooms: Vec<Room> = (0u32..).zip(taken)
                .map(|(index, (taken, max))| Room { device: Device::Cuda(index), memory_max: max, taken: taken.min(max) })
                .collect();
            let wish = wish.map(|(index, is_demanded)| DeviceWish { device: Device::Cuda(index), is_demanded });
            let has_room = |room: &Room| room.memory_max - room.taken >= bytes;
            match place(wish, &rooms, bytes) {
                Ok(index) => {
                    let room = &rooms[index];
                    let demanded = wish.filter(|wish| wish.is_demanded);
                    prop_assert!(demanded.is_none_or(|wish| wish.device == room.device));
                    prop_assert!(room.memory_max >= bytes);
                    prop_assert!(has_room(room) || demanded.is_some() || !rooms.iter().any(has_room));
                }
                Err(Refusal::Absent(device)) => prop_assert!(rooms.iter().all(|room| room.device != device)),
                Err(Refusal::TooLarge { memory_max, .. }) => prop_assert!(memory_max < bytes),
            }
        }
    }
}
