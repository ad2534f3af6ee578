"""Where arrays lie and what computes there: devices, namespaces, hardware, memory, threads and fusion."""
