"""Where arrays lie and what computes there: devices, namespaces, hardware, threads and fusion."""
