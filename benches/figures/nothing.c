/* The cheapest program there is: it exits at once with 0. The figure `start` lets supervisors run it. */
void _start(void)
{
#if defined(__x86_64__)
    __asm__ volatile("mov $60, %eax; xor %edi, %edi; syscall");
#elif defined(__aarch64__)
    __asm__ volatile("mov x8, #93; mov x0, #0; svc #0");
#else
#error "unknown number of the system call exit"
#endif
}
