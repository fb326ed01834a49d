/* The least that a program must do for the same results, without a C library: the floor of the
   figures. It handles no errors, and what it does for a signal or a death is not all of the job.

     floor run CMD [ARG]...             start CMD, forward TERM to it, exit when it has ended
     floor wait DIR FILE                exit when there is a FILE in DIR
     floor event DIR                    exit when a file in DIR was written and closed
     floor follow DIR FILE CMD [ARG]... start CMD, send it TERM when there is a FILE in DIR
     floor closed DIR CMD [ARG]...      start CMD, send it TERM when a file in DIR was closed

   FILE and CMD are absolute paths. */
#include <asm/unistd.h>
#include <linux/inotify.h>
#include <linux/sched.h>
#include <signal.h>

static inline __attribute__((always_inline)) long call(long number, long a, long b, long c, long d,
                                                       long e) {
#if defined(__x86_64__)
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
#endif
}

static void block(int how, unsigned long signals) {
    call(__NR_rt_sigprocmask, how, (long)&signals, 0, 8, 0);
}

/* With TERM and CHLD blocked in the parent, and not in the child. Like vfork(2). */
static long start(char **words, char **environment) {
    unsigned long signals = 1UL << (SIGTERM - 1) | 1UL << (SIGCHLD - 1);
    long child;
    block(SIG_BLOCK, signals);
    child = call(__NR_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        call(__NR_rt_sigprocmask, SIG_UNBLOCK, (long)&signals, 0, 8, 0);
        call(__NR_execve, (long)words[0], (long)words, (long)environment, 0, 0);
        call(__NR_exit_group, 127, 0, 0, 0, 0);
    }
    return child;
}

/* Waits for the end of the child, and sends it TERM for each TERM. */
static void supervise(long child) {
    unsigned long signals = 1UL << (SIGTERM - 1) | 1UL << (SIGCHLD - 1);
    while (call(__NR_rt_sigtimedwait, (long)&signals, 0, 0, 8, 0) == SIGTERM)
        call(__NR_kill, child, SIGTERM, 0, 0, 0);
    call(__NR_wait4, child, 0, 0, 0, 0);
}

static void await(const char *dir, const char *file) {
    char event[4096];
    long queue = call(__NR_inotify_init1, 0, 0, 0, 0, 0);
    call(__NR_inotify_add_watch, queue, (long)dir, IN_MOVED_TO | IN_CLOSE_WRITE, 0, 0);
    while (file == 0 || call(__NR_faccessat, -100, (long)file, 0, 0, 0) != 0) {
        call(__NR_read, queue, (long)event, sizeof event, 0, 0);
        if (file == 0)
            return;
    }
}

/* The stack as the kernel fills it: the number of words, the words, 0, the environment. */
__attribute__((used)) void floor_main(long *stack) {
    char **words = (char **)stack + 1, **environment = words + *stack + 1;
    char *dir = 0, *file = 0, **command = 0;
    long child = 0;
    switch (words[1][0]) {
    case 'r': command = words + 2; break;
    case 'w': dir = words[2]; file = words[3]; break;
    case 'e': dir = words[2]; break;
    case 'f': dir = words[2]; file = words[3]; command = words + 4; break;
    case 'c': dir = words[2]; command = words + 3; break;
    }
    if (command)
        child = start(command, environment);
    if (dir)
        await(dir, file);
    if (dir && command)
        call(__NR_kill, child, SIGTERM, 0, 0, 0);
    if (command)
        supervise(child);
    call(__NR_exit_group, 0, 0, 0, 0, 0);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call floor_main");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x0, sp\n bl floor_main");
#endif
