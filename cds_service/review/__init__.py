"""What a clinician does with the knowledge: reads its pages, checks a draft and its cases, sees what changed."""
