//! An unwinder that finds no frames, in place of the real one, which would fill half of the static
//! binary.
//!
//! The binary aborts on a panic, so nothing unwinds. But std prints a backtrace on request, and
//! links a reader of debug information, a decompressor and a demangler for that, which have nothing
//! to read in a stripped binary. The linker takes the functions of this file, whose names are the
//! ABI's (Itanium C++ ABI: Exception Handling), instead of those in the archive. The optimizer then
//! sees that no frame is ever shown, and drops the rest. A panic still says where and why.
//!
//! It is a module of `main.rs`, not of the library: a program that uses the library may need to
//! unwind.

use std::ffi::{c_int, c_void};

/// `_URC_END_OF_STACK`.
const END_OF_STACK: c_int = 5;

// SAFETY: the name and the signature are the ABI's, which allows the answer that there is no frame.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_trace: *const c_void, _argument: *mut c_void) -> c_int {
    END_OF_STACK
}

/// Functions that only unwinding calls. A panic aborts before.
macro_rules! never_called {
    ($($name:ident)*) => { $(
        // SAFETY: the name is the ABI's. The function ignores its arguments, whatever they are.
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> ! {
            std::process::abort()
        }
    )* };
}

never_called! {
    _Unwind_GetDataRelBase _Unwind_GetIP _Unwind_GetIPInfo _Unwind_GetLanguageSpecificData
    _Unwind_GetRegionStart _Unwind_GetTextRelBase _Unwind_Resume _Unwind_SetGR _Unwind_SetIP
}
