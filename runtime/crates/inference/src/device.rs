//! The devices that models run on: each one that was named is tried at the start, and what is not really there is
//! refused or left out, never silently replaced.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use modelet_spec::{Device, DeviceWish};

use crate::error::{LoadError, OpenError};
use crate::onnx::DeviceMemory;
use crate::placement::{self, Refusal, Room};

/// A device that the operator named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceSettings {
    /// Which, and whether the runtime may open without it.
    pub wish: DeviceWish,
    /// Bytes of its memory that all models together may take. For the CPU it is the arena that bounds them.
    pub memory_max: u64,
}

/// When sessions run by binding (`OrtIoBinding`) instead of by a plain call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bind {
    /// On devices that have memory of their own: there it saves copies.
    #[default]
    OnDevices,
    /// On the CPU, too, where it gains nothing: to test with.
    Always,
}

/// A device that was named and is not really there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbsentDevice {
    /// Which.
    pub device: Device,
    /// What the loader or the provider said.
    pub why: String,
}

/// How a device that is there is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceUse {
    /// Which.
    pub device: Device,
    /// Bytes that models may take.
    pub memory_max: u64,
    /// Bytes that are set aside for loaded models; for the CPU, what the arena holds.
    pub taken: u64,
    /// Tensors that were copied from it to main memory.
    pub copied_to_host: u64,
}

/// The devices of an open runtime, in order of preference.
pub(crate) struct Devices {
    there: Vec<Arc<Place>>,
    absent: Vec<AbsentDevice>,
}

/// A device that is there.
pub(crate) struct Place {
    pub(crate) device: Device,
    pub(crate) memory_max: u64,
    /// `None`: the CPU.
    pub(crate) memory: Option<Arc<DeviceMemory>>,
    reserved: AtomicU64,
}

/// A place for a model, and bytes of it that are set aside for as long as this lives.
pub(crate) struct Reservation {
    pub(crate) place: Arc<Place>,
    bytes: u64,
}

impl Devices {
    /// Tries each device that was named.
    ///
    /// # Errors
    /// One that was demanded is not really there, or none at all is.
    pub(crate) fn open(
        named: &[DeviceSettings],
        mut probe: impl FnMut(Device, u64) -> Result<Option<Arc<DeviceMemory>>, String>,
    ) -> Result<Self, OpenError> {
        let (mut there, mut absent) = (Vec::new(), Vec::new());
        for settings in named {
            let (device, memory_max) = (settings.wish.device, settings.memory_max);
            match probe(device, memory_max) {
                Ok(memory) => {
                    tracing::info!(%device, memory_max, "models can run here");
                    there.push(Arc::new(Place { device, memory_max, memory, reserved: AtomicU64::new(0) }));
                }
                Err(why) if settings.wish.is_demanded => {
                    return Err(OpenError::Device { device, fix: fix(device, &why), why });
                }
                Err(why) => {
                    tracing::warn!(%device, %why, fix = fix(device, &why), "not really there; no model runs on it");
                    absent.push(AbsentDevice { device, why });
                }
            }
        }
        if there.is_empty() {
            let told: Vec<String> = absent.iter().map(ToString::to_string).collect();
            return Err(OpenError::NoDevice { told: told.join("; ") });
        }
        Ok(Self { there, absent })
    }

    /// Where a model that takes about `bytes` is to run, with these set aside. `in_use` is what the CPU's arena holds.
    ///
    /// # Errors
    /// It demands a device that is not there, or that is too small.
    pub(crate) fn place(&self, wish: Option<DeviceWish>, bytes: u64, in_use: u64) -> Result<Reservation, LoadError> {
        self.place_among(&self.there.iter().collect::<Vec<_>>(), wish, bytes, in_use)
    }

    /// Calls `load` with a place for a model. Where a device cannot run it, which `load` says by [`LoadError::Device`],
    /// and it was not demanded, the next one is tried, and a line in the log says so.
    ///
    /// # Errors
    /// As `place`, and the last error of `load`.
    pub(crate) fn load_on<T>(
        &self,
        wish: Option<DeviceWish>,
        (bytes, in_use): (u64, u64),
        mut load: impl FnMut(&Place) -> Result<T, LoadError>,
    ) -> Result<(T, Reservation), LoadError> {
        let is_demanded = wish.is_some_and(|wish| wish.is_demanded);
        let mut left: Vec<&Arc<Place>> = self.there.iter().collect();
        loop {
            let reservation = self.place_among(&left, wish, bytes, in_use)?;
            left.retain(|place| !Arc::ptr_eq(place, &reservation.place));
            match load(&reservation.place) {
                Ok(loaded) => return Ok((loaded, reservation)),
                Err(LoadError::Device { device, why }) if !is_demanded && !left.is_empty() => {
                    tracing::warn!(%device, %why, "a model does not run there; trying the next device");
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn place_among(
        &self,
        places: &[&Arc<Place>],
        wish: Option<DeviceWish>,
        bytes: u64,
        in_use: u64,
    ) -> Result<Reservation, LoadError> {
        let rooms: Vec<Room> = places.iter().map(|place| place.room(in_use)).collect();
        let index = placement::place(wish, &rooms, bytes).map_err(|refusal| self.refuse(refusal, bytes))?;
        let place = places.get(index).ok_or_else(|| LoadError::Unsupported("no device is there".to_owned()))?;
        place.reserved.fetch_add(bytes, Relaxed);
        Ok(Reservation { place: Arc::clone(place), bytes })
    }

    /// What was named and is not there.
    pub(crate) fn absent(&self) -> &[AbsentDevice] {
        &self.absent
    }

    /// What is there.
    pub(crate) fn uses(&self, in_use: u64) -> Vec<DeviceUse> {
        let of = |place: &Arc<Place>| {
            let copied_to_host = place.memory.as_ref().map_or(0, |memory| memory.copied());
            let Room { device, memory_max, taken } = place.room(in_use);
            DeviceUse { device, memory_max, taken, copied_to_host }
        };
        self.there.iter().map(of).collect()
    }

    /// The error for a model of about `bytes` that has no place.
    pub(crate) fn refuse(&self, refusal: Refusal, bytes: u64) -> LoadError {
        match refusal {
            Refusal::Absent(device) => {
                let named = self.absent.iter().find(|absent| absent.device == device);
                let why = named.map_or("it is not among the server's `inference.devices`", |absent| &absent.why);
                LoadError::Device { device, why: crate::onnx::public(why) }
            }
            Refusal::TooLarge { device, memory_max } => LoadError::TooLarge(format!(
                "it takes about {bytes} bytes, and {device} has {memory_max} for all models (`inference.device_memory`)"
            )),
        }
    }
}

impl Place {
    fn room(&self, in_use: u64) -> Room {
        let taken = if self.device.is_cpu() { in_use } else { self.reserved.load(Relaxed) };
        Room { device: self.device, memory_max: self.memory_max, taken }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.place.reserved.fetch_sub(self.bytes, Relaxed);
    }
}

/// `cuda:0 (libcublasLt.so.13: cannot open shared object file)`
impl fmt::Display for AbsentDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.device, self.why)
    }
}

/// What to do about a device that is not there, by what the loader or the provider said.
#[must_use]
pub fn fix(device: Device, why: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if says(&["not enabled in this build", "is not supported in this build"]) {
        "this ONNX Runtime is built for the CPU alone: run `cargo xtask setup --gpu` and name its folder by `library` in [inference]"
    } else if says(&["libnvinfer", "libnvonnxparser"]) {
        "install TensorRT 10 for CUDA 13, where the loader finds it (LD_LIBRARY_PATH)"
    } else if says(&["libcudnn"]) {
        "install cuDNN 9 for CUDA 13, where the loader finds it (LD_LIBRARY_PATH)"
    } else if says(&["cannot open shared object file"]) {
        "install CUDA 13 and cuDNN 9, where the loader finds them (LD_LIBRARY_PATH)"
    } else if says(&["no CUDA-capable device", "driver version", "invalid device ordinal", "CUDA failure"]) {
        "look whether `nvidia-smi` shows the card and its driver is for CUDA 13; a card has a number from 0 on"
    } else if device.is_cpu() {
        "run `cargo xtask setup`, which fetches a tested ONNX Runtime"
    } else {
        "`modelet doctor` tells what is there"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<DeviceSettings> {
        text.split(", ").map(|wish| DeviceSettings { wish: wish.parse().unwrap(), memory_max: 100 }).collect()
    }

    fn open(text: &str, there: &[&str]) -> Result<Devices, OpenError> {
        let there: Vec<Device> = there.iter().map(|device| device.parse().unwrap()).collect();
        Devices::open(&named(text), |device, _| {
            if there.contains(&device) {
                Ok(None)
            } else {
                Err("libcublasLt.so.13: cannot open shared object file".into())
            }
        })
    }

    fn there(devices: &Devices) -> String {
        devices.uses(0).iter().map(|one| one.device.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_demanded_and_absent_is_refused_and_what_is_not_demanded_is_left_out() {
        for (named, real, expected) in [
            ("cpu", "cpu", Ok("cpu")),
            ("cpu!", "cpu", Ok("cpu")),
            ("cuda:0!, cpu", "cuda:0 cpu", Ok("cuda:0 cpu")),
            ("cuda:0, cpu", "cuda:0 cpu", Ok("cuda:0 cpu")),
            ("cuda:0, cpu", "cpu", Ok("cpu")),
            ("cpu, cuda:0, cuda:1", "cpu cuda:1", Ok("cpu cuda:1")),
            ("cuda:0!, cpu", "cpu", Err("cuda:0")),
            ("cpu, tensorrt:1!", "cpu", Err("tensorrt:1")),
            ("cuda:0, cuda:1!", "cuda:0", Err("cuda:1")),
            ("cuda:0, cuda:1", "", Err("none")),
        ] {
            let real: Vec<&str> = real.split_whitespace().collect();
            match (open(named, &real), expected) {
                (Ok(devices), Ok(expected)) => assert_eq!(there(&devices), expected, "{named}"),
                (Err(OpenError::Device { device, why, fix }), Err(expected)) => {
                    assert_eq!(device.to_string(), expected, "{named}");
                    assert!(why.contains("libcublasLt.so.13") && fix.contains("CUDA 13"), "{why} {fix}");
                }
                (Err(OpenError::NoDevice { told }), Err("none")) => {
                    assert!(told.contains("cuda:0 (libcublasLt") && told.contains("cuda:1 ("), "{told}");
                }
                (got, _) => panic!("{named}: {:?}", got.map(|devices| there(&devices))),
            }
        }
    }

    #[test]
    fn a_model_that_demands_what_is_absent_is_told_which_and_why() {
        let devices = open("cuda:0, cpu", &["cpu"]).unwrap();
        let refused =
            |wish: &str| devices.place(Some(wish.parse().unwrap()), 1, 0).err().map(|error| error.to_string());
        let named = refused("cuda:0!").unwrap();
        assert!(named.contains("cuda:0") && named.contains("libcublasLt.so.13"), "{named}");
        let strange = refused("tensorrt:0!").unwrap();
        assert!(strange.contains("tensorrt:0") && strange.contains("not among the server's"), "{strange}");
        assert_eq!(refused("cuda:0"), None, "not demanded");
        assert_eq!(refused("cpu!"), None);
        assert_eq!(devices.absent().len(), 1);
    }

    #[test]
    fn bytes_are_set_aside_while_a_model_is_there() {
        let devices = open("cuda:0, cuda:1", &["cuda:0", "cuda:1"]).unwrap();
        let first = devices.place(None, 60, 0).unwrap();
        let second = devices.place(None, 60, 0).unwrap();
        let taken = || devices.uses(0).iter().map(|one| one.taken).collect::<Vec<_>>();
        assert_eq!(
            (first.place.device, second.place.device, taken()),
            (Device::Cuda(0), Device::Cuda(1), vec![60, 60])
        );
        drop(first);
        assert_eq!(taken(), [0, 60]);
        let refused = devices.place(Some("cuda:1".parse().unwrap()), 101, 0).err().unwrap();
        assert!(matches!(refused, LoadError::TooLarge(_)), "{refused}");
        assert_eq!(taken(), [0, 60]);
    }

    #[test]
    fn a_model_that_a_device_cannot_run_goes_to_the_next_unless_it_was_demanded() {
        let devices = open("cuda:0, cuda:1, cpu", &["cuda:0", "cuda:1", "cpu"]).unwrap();
        let unfit = |unfit: &'static str, wish: Option<&str>| {
            let wish = wish.map(|wish| wish.parse().unwrap());
            let loaded = devices.load_on(wish, (1, 0), |place| {
                let why = "no operator of it is run there".to_owned();
                let is_unfit = unfit.contains(&place.device.to_string());
                if is_unfit { Err(LoadError::Device { device: place.device, why }) } else { Ok(place.device) }
            });
            loaded.map(|(device, _)| device.to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(unfit("", None).as_deref(), Ok("cuda:0"));
        assert_eq!(unfit("cuda:0", None).as_deref(), Ok("cuda:1"));
        assert_eq!(unfit("cuda:0 cuda:1", Some("cuda:1")).as_deref(), Ok("cpu"));
        assert!(unfit("cuda:0", Some("cuda:0!")).unwrap_err().contains("demands cuda:0"));
        assert!(unfit("cuda:0 cuda:1 cpu", None).unwrap_err().contains("no operator"));
        assert!(devices.uses(0).iter().all(|device| device.taken == 0), "nothing stays set aside");
    }

    #[test]
    fn each_fault_has_its_fix() {
        for (why, fix) in [
            ("CUDA execution provider is not enabled in this build.", "setup --gpu"),
            ("error: libcublasLt.so.13: cannot open shared object file", "install CUDA 13"),
            ("libcudnn.so.9: cannot open shared object file", "install cuDNN 9"),
            ("libnvinfer.so.10: cannot open shared object file", "install TensorRT 10"),
            ("CUDA failure 100: no CUDA-capable device is detected", "nvidia-smi"),
            ("no operator of it is run by CUDAExecutionProvider", "modelet doctor"),
        ] {
            assert!(super::fix(Device::Cuda(0), why).contains(fix), "{why}");
        }
    }
}
