//! Keeps an integer division that the processor cannot do from ending the server.
//!
//! On x86-64 the least integer divided by -1 ends the process with SIGFPE, as a division by zero does. ONNX Runtime 1.31.1 looks
//! for zero before it divides, and never for this: `Div` or `Mod` of two integers that a caller chose would end everybody's
//! server, and no look at the model's file can tell which numbers will come. On ARM the same kernels get what its processors
//! give, the least integer again and a remainder of 0. Here the division gets the same, and the run goes on.
//!
//! A handler looks at the one instruction that failed, and puts numbers where it would have. What is no such division ends the
//! process as before, a division by zero too: nobody knows what a kernel does with a quotient that it never reckoned with.
//! Rust's own code never gets here: it looks before it divides. Guests' code is wasmtime's, whose handler is installed later, looks
//! first, and passes on what is not its own.
#![cfg_attr(
    all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"),
    allow(unsafe_code, reason = "the standard library offers no signal handlers")
)]

/// Repairs such divisions in this process from now on. To be called before wasmtime installs its own handler.
///
/// # Errors
/// The system's, when it takes no handler.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) fn survive() -> std::io::Result<()> {
    signal::install()
}

/// Nothing to do: where processors trap no division, the kernels get what they were written for.
#[cfg(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")))]
pub(crate) fn survive() -> std::io::Result<()> {
    Ok(())
}

/// What `div` and `idiv` are, as the processor reads them.
#[cfg_attr(
    not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")),
    allow(dead_code, reason = "only the handler uses it, and the tests")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Division {
    /// Bytes of the instruction.
    len: usize,
    /// Bits of the numbers: 8, 16, 32 or 64.
    bits: u32,
    is_signed: bool,
}

#[cfg_attr(
    not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")),
    allow(dead_code, reason = "only the handler uses it, and the tests")
)]
impl Division {
    /// Reads an instruction; `byte` gives its bytes and is asked for no others. `None`: it is no division.
    fn read(byte: impl Fn(usize) -> u8) -> Option<Self> {
        let (mut at, mut is_16) = (0, false);
        // Prefixes: the size of numbers, segments, the size of addresses, repetition.
        while let 0x66 | 0x2e | 0x36 | 0x3e | 0x26 | 0x64 | 0x65 | 0x67 | 0xf2 | 0xf3 = byte(at) {
            is_16 |= byte(at) == 0x66;
            at += 1;
            // No instruction is longer than 15 bytes.
            if at > 8 {
                return None;
            }
        }
        let rex = Some(byte(at)).filter(|byte| byte & 0xf0 == 0x40);
        at += usize::from(rex.is_some());
        let bits = match byte(at) {
            0xf6 => 8,
            0xf7 if rex.is_some_and(|rex| rex & 8 != 0) => 64,
            0xf7 if is_16 => 16,
            0xf7 => 32,
            _ => return None,
        };
        let operand = byte(at + 1);
        let is_signed = match operand >> 3 & 7 {
            6 => false,
            7 => true,
            _ => return None,
        };
        at += 2;
        let (mode, mut base) = (operand >> 6, operand & 7);
        if mode != 3 {
            if base == 4 {
                base = byte(at) & 7;
                at += 1;
            }
            at += match (mode, base) {
                (1, _) => 1,
                (2, _) | (0, 5) => 4,
                _ => 0,
            };
        }
        Some(Self { len: at, bits, is_signed })
    }

    /// What the registers `rax` and `rdx` are after it, from what they were. `None`: the dividend is not the least integer of its
    /// width, so the divisor was not -1.
    fn outcome(self, rax: u64, rdx: u64) -> Option<(u64, u64)> {
        let mask = u64::MAX >> (64 - self.bits);
        let least = 1 << (self.bits - 1);
        let low = rax & mask;
        let high = if self.bits == 8 { rax >> 8 & mask } else { rdx & mask };
        // Sign and all: a dividend of two registers that means more than the lower one was no plain division.
        if !self.is_signed || low != least || high != mask {
            return None;
        }
        let (quotient, remainder) = (low, 0);
        // Registers of 32 bits are written whole, smaller ones into what was there.
        let kept = |register: u64, bits: u32| if bits < 32 { register & !(u64::MAX >> (64 - bits)) } else { 0 };
        Some(match self.bits {
            8 => (kept(rax, 16) | remainder << 8 | quotient, rdx),
            bits => (kept(rax, bits) | quotient, kept(rdx, bits) | remainder),
        })
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod signal {
    use std::io;
    use std::mem::MaybeUninit;
    use std::ptr;

    use libc::{c_int, c_void, sigaction, siginfo_t, ucontext_t};

    use super::Division;

    /// What the kernel says of a division that failed, in `si_code`.
    const FPE_INTDIV: c_int = 1;

    pub(super) fn install() -> io::Result<()> {
        // SAFETY: `sigaction` is plain numbers, and zeros are a valid one: no flags, an empty mask.
        let mut action: sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        // The same flags as wasmtime's: with the context, and on the signal stack if the thread has one.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        action.sa_sigaction = handle as *const () as usize;
        // SAFETY: `handle` has the form that SA_SIGINFO asks for, and does nothing that a handler must not: it allocates
        // nothing, takes no lock and cannot panic.
        match unsafe { sigaction(libc::SIGFPE, &raw const action, ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    extern "C" fn handle(_: c_int, info: *mut siginfo_t, context: *mut c_void) {
        // SAFETY: the kernel, or wasmtime's handler, calls this with both of the signal in hand.
        let (code, context) = unsafe { ((*info).si_code, &mut *context.cast::<ucontext_t>()) };
        if code == FPE_INTDIV && repair(context).is_some() {
            return;
        }
        // As if there were no handler: a faulting instruction is done again and ends the process, a signal that somebody sent
        // is sent again.
        // SAFETY: both may be called in a handler.
        unsafe {
            libc::signal(libc::SIGFPE, libc::SIG_DFL);
            if code <= 0 {
                libc::raise(libc::SIGFPE);
            }
        }
    }

    /// Does what the instruction could not, and goes on behind it.
    fn repair(context: &mut ucontext_t) -> Option<()> {
        let [rax, rdx, rip] = [libc::REG_RAX, libc::REG_RDX, libc::REG_RIP].map(|number| number as usize);
        let [rax, rdx, rip] = context.uc_mcontext.gregs.get_disjoint_mut([rax, rdx, rip]).ok()?;
        let code = rip.cast_unsigned() as usize as *const u8;
        // SAFETY: the processor has just read the instruction at `code`, and no bytes behind its end are asked for.
        let division = Division::read(|at| unsafe { code.add(at).read() })?;
        let (quotient, remainder) = division.outcome(rax.cast_unsigned(), rdx.cast_unsigned())?;
        (*rax, *rdx) = (quotient.cast_signed(), remainder.cast_signed());
        *rip += i64::try_from(division.len).ok()?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(code: &[u8]) -> Option<Division> {
        // Asking for a byte behind the instruction is a panic.
        Division::read(|at| code[at])
    }

    #[test]
    fn every_form_of_a_division_is_read_to_its_end() {
        for (code, bits, is_signed) in [
            (&[0xf7, 0xf9][..], 32, true),                     // idiv ecx
            (&[0x48, 0xf7, 0xf9], 64, true),                   // idiv rcx
            (&[0x49, 0xf7, 0xf0], 64, false),                  // div r8
            (&[0x66, 0xf7, 0xfb], 16, true),                   // idiv bx
            (&[0xf6, 0xf3], 8, false),                         // div bl
            (&[0x40, 0xf6, 0xfe], 8, true),                    // idiv sil
            (&[0xf7, 0x3e], 32, true),                         // idiv [rsi]
            (&[0x48, 0xf7, 0x7e, 0x08], 64, true),             // idiv [rsi+8]
            (&[0xf7, 0xbe, 0, 1, 0, 0], 32, true),             // idiv [rsi+256]
            (&[0x48, 0xf7, 0x3d, 0, 1, 0, 0], 64, true),       // idiv [rip+256]
            (&[0x48, 0xf7, 0x3c, 0xce], 64, true),             // idiv [rsi+8*rcx]
            (&[0x48, 0xf7, 0x3c, 0xcd, 0, 1, 0, 0], 64, true), // idiv [8*rcx+256]
            (&[0x43, 0xf7, 0x7c, 0x9e, 0x10], 32, true),       // idiv [r14+4*r11+16]
            (&[0x4a, 0xf7, 0xbc, 0xce, 0, 1, 0, 0], 64, true), // idiv [rsi+8*r9+256]
        ] {
            assert_eq!(read(code), Some(Division { len: code.len(), bits, is_signed }), "{code:x?}");
        }
        for code in [&[0x90][..], &[0xf7, 0xe1], &[0xf7, 0xd9], &[0x48, 0x99], &[0x0f, 0x0b], &[0x66; 16]] {
            assert_eq!(read(code), None, "{code:x?}");
        }
    }

    #[test]
    fn the_least_integer_stays_and_leaves_nothing_over_and_all_else_is_left_alone() {
        let of = |bits, is_signed, rax, rdx| Division { len: 2, bits, is_signed }.outcome(rax, rdx);
        let least = 1_u64 << 63;
        assert_eq!(of(64, true, least, u64::MAX), Some((least, 0)));
        assert_eq!(
            of(32, true, 0xaaaa_0000_8000_0000, 0xbbbb_0000_ffff_ffff),
            Some((1 << 31, 0)),
            "the upper half goes"
        );
        assert_eq!(of(16, true, 0xaaaa_8000, 0xbbbb_ffff), Some((0xaaaa_8000, 0xbbbb_0000)), "the upper part stays");
        assert_eq!(of(8, true, 0xaaaa_ff80, 5), Some((0xaaaa_0080, 5)));
        for (bits, is_signed, rax, rdx) in [
            (64, true, 7, 0),
            (64, true, u64::MAX, u64::MAX),
            (64, true, least, 0),
            (64, true, least, 1),
            (64, false, least, u64::MAX),
            (32, true, least, 0xffff_ffff),
            (8, true, 0x0080, u64::MAX),
            (8, false, 0xff80, 0),
        ] {
            assert_eq!(of(bits, is_signed, rax, rdx), None, "{bits} {is_signed} {rax:x} {rdx:x}");
        }
    }
}
