"""What users do: response rates and search traffic. Arrays in, arrays out."""
