//! A machine that refuses io_uring, as a container's default profile does.

/// Puts this thread under a filter that makes `io_uring_setup` fail with EPERM. No other thread is
/// concerned, but every process that this one starts; there is no way back.
pub fn refuse_io_uring_to_this_thread() {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut is_setup = statement(libc::BPF_JMP | libc::BPF_JEQ, libc::SYS_io_uring_setup as u32);
    is_setup.jf = 1;
    let mut filter = [
        // The number of the system call, the first field of what the filter is shown.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        is_setup,
        statement(libc::BPF_RET, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        statement(libc::BPF_RET, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which is alive, during the call.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program), 0);
    }
}
