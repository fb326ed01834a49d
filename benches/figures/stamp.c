/* Writes the time to standard output and exits, for the figure `disk`. */
#include <time.h>
#include <unistd.h>

int main(void) {
    struct timespec now;
    long long nanoseconds;
    clock_gettime(CLOCK_MONOTONIC, &now);
    nanoseconds = now.tv_sec * 1000000000LL + now.tv_nsec;
    return write(1, &nanoseconds, sizeof nanoseconds) != sizeof nanoseconds;
}
