//! What `#[handler]` puts into a handler's library beside the handler: exports, heap, overrides.

/// Makes a library an image; written by `#[handler]`, with the function that starts a request.
///
/// A macro of the SDK and not code of `#[handler]`, so that lints a handler's author sets do not apply to it.
#[doc(hidden)]
#[macro_export]
macro_rules! __image {
    ($start:path) => {
        #[cfg(panic = "abort")]
        ::core::compile_error!("a handler must be built with panic = \"unwind\": without it a panic ends the image");

        #[unsafe(no_mangle)]
        pub static handler_abi: u32 = $crate::image::ABI_VERSION;

        #[global_allocator]
        static HEAP: $crate::image::heap::Heap = $crate::image::heap::Heap::new();

        #[unsafe(no_mangle)]
        unsafe extern "C" fn handler_entry(input: *const u8, len: usize, output: *mut u8, capacity: usize) -> i64 {
            // SAFETY: the host calls the entry points of an image as their ABI asks.
            unsafe { $crate::image::entry::entry(input, len, output, capacity, $start) }
        }

        #[unsafe(no_mangle)]
        extern "C" fn handler_trim(_input: *const u8, _len: usize, _output: *mut u8, _capacity: usize) -> i64 {
            $crate::image::entry::trim(&HEAP)
        }

        $crate::__image!(@export handler_init => init);
        $crate::__image!(@export handler_resume => resume);
        $crate::__image!(@export handler_cancel => cancel);
        $crate::__image!(@export handler_fetch => fetch);
        $crate::__image!(@export handler_end => end);

        mod overrides {
            $crate::__hidden_overrides!();
        }
    };
    (@export $name:ident => $entry:ident) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(input: *const u8, len: usize, output: *mut u8, capacity: usize) -> i64 {
            // SAFETY: as in `handler_entry`.
            unsafe { $crate::image::entry::$entry(input, len, output, capacity) }
        }
    };
}

/// Defines hidden symbols of libc's names, each a jump to a function of [`overrides`](crate::image::overrides).
#[doc(hidden)]
#[macro_export]
macro_rules! __hidden_overrides {
    () => {
        $crate::__hidden_overrides! {
            // Threads and processes, and what the worker's thread and the process are.
            refuse_with_number => "pthread_create" "thrd_create" "pthread_cancel" "pthread_setname_np"
                "pthread_setaffinity_np" "pthread_setschedparam" "pthread_setschedprio" "posix_spawn" "posix_spawnp"
                "pidfd_spawn" "pidfd_spawnp" "pthread_atfork" "__register_atfork" "getaddrinfo_a" "wordexp";
            refuse => "fork" "vfork" "_Fork" "clone" "daemon" "system" "execl" "execle" "execlp" "execv" "execve" "execvp"
                "execvpe" "execveat" "fexecve" "wait" "waitpid" "wait3" "wait4" "waitid" "ptrace" "unshare" "setns" "chroot"
                "setuid" "setgid" "seteuid" "setegid" "setreuid" "setregid" "setresuid" "setresgid" "setgroups" "setsid"
                "setpgid" "aio_read" "aio_read64" "aio_write" "aio_write64" "aio_fsync" "aio_fsync64" "lio_listio" "lio_listio64"
                "setrlimit" "setrlimit64" "prlimit" "prlimit64" "setpriority" "nice" "sched_setaffinity"
                "sched_setscheduler" "sched_setparam" "prctl" "umask";
            refuse_with_null => "popen" "dlopen" "dlmopen" "setlocale";

            // The end of the process, and what is to happen then.
            exit => "exit" "_exit" "_Exit" "quick_exit";
            exit_thread => "pthread_exit";
            abort => "abort";
            refuse => "atexit" "__cxa_atexit" "at_quick_exit" "on_exit";

            // Signals.
            refuse => "kill" "killpg" "raise" "tgkill" "sigqueue" "sigaction" "__sigaction" "signal" "sigaltstack"
                "sigprocmask" "sigsuspend" "sigwaitinfo" "sigtimedwait" "alarm" "ualarm" "setitimer" "timer_create" "signalfd";
            refuse_with_number => "pthread_kill" "pthread_sigqueue" "pthread_sigmask" "sigwait";

            // Environment and working directory.
            refuse => "setenv" "unsetenv" "putenv" "clearenv" "chdir" "fchdir";

            // Memory mapping.
            refuse => "mmap" "mmap64" "mremap" "munmap" "mprotect" "madvise" "brk" "sbrk" "shmat" "shmdt" "mlockall" "munlockall";

            // Thread-locals.
            key_create => "pthread_key_create";
            key_delete => "pthread_key_delete";
            at_thread_exit => "__cxa_thread_atexit_impl";

            // Printing.
            write => "write";
            writev => "writev";

            // Descriptors.
            open => "open" "open64";
            openat => "openat" "openat64";
            creat => "creat" "creat64";
            opendir => "opendir";
            closedir => "closedir";
            socket => "socket";
            socketpair => "socketpair";
            accept => "accept";
            accept4 => "accept4";
            pipe => "pipe";
            pipe2 => "pipe2";
            fcntl => "fcntl" "fcntl64";
            dup => "dup";
            epoll_create => "epoll_create";
            epoll_create1 => "epoll_create1";
            eventfd => "eventfd";
            timerfd_create => "timerfd_create";
            inotify_init => "inotify_init";
            inotify_init1 => "inotify_init1";
            memfd_create => "memfd_create";
            close => "close";
            fclose => "fclose";
            refuse => "dup2" "dup3" "close_range" "fanotify_init" "perf_event_open" "pidfd_open" "pidfd_getfd" "mkstemp"
                "mkstemp64" "mkostemp" "mkostemp64" "shm_open" "mq_open" "posix_openpt" "getpt" "openpty" "forkpty";
            refuse_with_null => "fopen" "fopen64" "freopen" "freopen64" "tmpfile" "tmpfile64" "sem_open";
        }
    };
    ($($function:ident => $($name:literal)+;)+) => { $(
        ::core::arch::global_asm!(
            ".pushsection .text.hidden_overrides,\"ax\",@progbits",
            $(
                ::core::concat!(".globl ", $name),
                ::core::concat!(".hidden ", $name),
                ::core::concat!(".type ", $name, ",@function"),
                ::core::concat!($name, ":"),
            )+
            ".cfi_startproc",
            "jmp {function}",
            ".cfi_endproc",
            $( ::core::concat!(".size ", $name, ", .-", $name), )+
            ".popsection",
            function = sym $crate::image::overrides::$function,
        );
    )+ };
}
