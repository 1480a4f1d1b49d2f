"""Everyday queries to an album, and the captions that confirm that an image shows what is asked.

An image shows what a query asks where one of its captions contains, for each word of the query, that word or a kind of
it ("terrier" for "dog", "canoe" for "boat"). Captions leave things out, so that some images counted as wrong
are right: of images of a thing, the five captions of Flickr8k miss about one in seven (`reported`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

# word of a query → words of captions that confirm it
KINDS = {
    "dog": (
        "dog dogs puppy puppies poodle terrier labrador retriever greyhound collie dalmatian corgi bulldog "
        "shepherd husky beagle spaniel"
    ),
    "puppy": "puppy puppies",
    "cat": "cat cats kitten kittens kitty",
    "bird": (
        "bird birds duck ducks seagull seagulls pigeon pigeons eagle parrot goose geese swan swans owl "
        "flamingo pelican ostrich gull heron crow"
    ),
    "horse": "horse horses pony ponies horseback",
    "cow": "cow cows cattle bull bulls calf",
    "person": (
        "person people man men woman women boy boys girl girls child children kid kids baby babies toddler "
        "lady ladies guy guys player players adult adults someone rider skier surfer teenager couple crowd "
        "family friends group skateboarder snowboarder biker cyclist hiker climber swimmer"
    ),
    "man": "man men guy guys gentleman male males fireman policeman businessman",
    "woman": "woman women lady ladies female females bride mother",
    "boy": "boy boys",
    "girl": "girl girls",
    "baby": "baby babies infant toddler toddlers",
    "child": "child children kid kids boy boys girl girls toddler toddlers baby babies infant",
    "animal": (
        "animal animals dog dogs puppy puppies cat cats kitten horse horses cow cows bird birds elephant "
        "elephants giraffe giraffes zebra zebras sheep goat goats bear bears duck ducks seagull pony monkey "
        "lion tiger fish deer camel pig greyhound poodle terrier"
    ),
    "vehicle": (
        "vehicle vehicles car cars truck trucks bus buses motorcycle motorcycles motorbike van taxi train "
        "trains bike bikes bicycle bicycles boat boats airplane plane jeep atv scooter tractor"
    ),
    "sport": "soccer football basketball baseball tennis hockey rugby volleyball golf lacrosse cricket softball",
    "food": (
        "food meal meals pizza sandwich sandwiches cake fruit fruits vegetables vegetable broccoli bread "
        "hotdog donut donuts banana bananas apple apples salad soup pasta noodles meat cheese dinner lunch "
        "breakfast dessert rice ice-cream icecream burger fries"
    ),
    "fruit": (
        "fruit fruits banana bananas apple apples strawberry strawberries lemon lemons grapes pear pears pineapple"
    ),
    "water": "water ocean sea lake river pool pond stream waterfall waves wave surf puddle fountain",
    "ocean": "ocean sea surf waves wave",
    "beach": "beach beaches shore sand sandy",
    "pool": "pool pools",
    "car": "car cars automobile sedan taxi",
    "bicycle": "bicycle bicycles bike bikes bicyclist cyclist biker biking cycling",
    "motorcycle": "motorcycle motorcycles motorbike motorcyclist motorbikes dirtbike",
    "boat": "boat boats canoe kayak sailboat ship raft rowboat",
    "train": "train trains locomotive",
    "bus": "bus buses",
    "truck": "truck trucks",
    "airplane": "airplane airplanes plane planes jet aircraft",
    "ball": "ball balls",
    "soccer": "soccer",
    "basketball": "basketball",
    "baseball": "baseball",
    "football": "football",
    "tennis": "tennis",
    "hockey": "hockey",
    "volleyball": "volleyball",
    "skateboard": "skateboard skateboards skateboarder skateboarding skateboarders",
    "snowboard": "snowboard snowboarder snowboarding snowboarders",
    "surfing": "surf surfing surfer surfers surfboard surfs",
    "skiing": "ski skiing skier skiers skis",
    "swimming": "swim swimming swims swimmer swimmers",
    "running": "run running runs runner runners",
    "jumping": "jump jumping jumps leap leaping leaps jumped",
    "climbing": "climb climbing climbs climber climbers",
    "sitting": "sit sitting sits seated",
    "sleeping": "sleep sleeping sleeps asleep",
    "dancing": "dance dancing dances dancer dancers",
    "playing": "play playing plays",
    "smiling": "smile smiling smiles",
    "walking": "walk walking walks",
    "reading": "read reading reads",
    "eating": "eat eating eats",
    "cooking": "cook cooking cooks chef",
    "fishing": "fish fishing fisherman",
    "riding": "ride riding rides rider",
    "kissing": "kiss kissing kisses",
    "singing": "sing singing sings singer",
    "laughing": "laugh laughing laughs",
    "snow": "snow snowy",
    "grass": "grass grassy lawn",
    "tree": "tree trees",
    "mountain": "mountain mountains mountainside mountaintop",
    "rock": "rock rocks rocky cliff boulder boulders",
    "street": "street streets road sidewalk",
    "city": "city urban",
    "forest": "forest woods wooded",
    "flower": "flower flowers",
    "sunset": "sunset",
    "night": "night nighttime",
    "building": "building buildings",
    "field": "field fields",
    "park": "park",
    "bridge": "bridge",
    "sky": "sky skies",
    "fire": "fire flames",
    "hat": "hat hats cap caps",
    "sunglasses": "sunglasses",
    "glasses": "glasses",
    "umbrella": "umbrella umbrellas",
    "camera": "camera cameras",
    "phone": "phone phones cellphone",
    "guitar": "guitar guitars guitarist",
    "computer": "computer computers laptop laptops",
    "chair": "chair chairs",
    "table": "table tables",
    "bench": "bench benches",
    "bed": "bed beds",
    "book": "book books",
    "helmet": "helmet helmets",
    "swing": "swing swings",
    "slide": "slide slides",
    "toy": "toy toys",
    "balloon": "balloon balloons",
    "bubbles": "bubble bubbles",
    "stick": "stick sticks",
    "frisbee": "frisbee frisbees",
    "kite": "kite kites",
    "mask": "mask masks",
    "costume": "costume costumes dressed",
    "backpack": "backpack backpacks",
    "tent": "tent tents",
    "flag": "flag flags",
    "fountain": "fountain",
    "paint": "paint painting painted",
    "crowd": "crowd crowded",
    "wedding": "wedding bride groom",
    "band": "band",
    "concert": "concert stage",
    "party": "party",
    "race": "race racing races racer",
    "shirt": "shirt shirts",
    "dress": "dress dresses",
    "jacket": "jacket jackets coat",
    "swimsuit": "swimsuit bathing bikini swimsuits",
    "elephant": "elephant elephants",
    "giraffe": "giraffe giraffes",
    "zebra": "zebra zebras",
    "sheep": "sheep lamb lambs",
    "bear": "bear bears",
    "pizza": "pizza pizzas",
    "cake": "cake cakes",
    "sandwich": "sandwich sandwiches",
    "broccoli": "broccoli",
    "banana": "banana bananas",
    "kitchen": "kitchen",
    "bathroom": "bathroom restroom",
    "toilet": "toilet toilets",
    "clock": "clock clocks",
    "bedroom": "bedroom bed",
    "tv": "tv television",
    "couch": "couch sofa",
    "vase": "vase vases",
    "sign": "sign signs",
    "traffic": "traffic",
    "teddy": "teddy",
    "window": "window windows",
    "mirror": "mirror mirrors",
    "red": "red",
    "blue": "blue",
    "yellow": "yellow",
    "green": "green",
    "black": "black",
    "white": "white",
    "brown": "brown tan",
    "pink": "pink",
    "orange": "orange",
    "two": "two",
    "group": "group crowd many several",
    "young": "young little small",
}
ASKED = """
dog; a dog; puppy; cat; bird; horse; cow; person; people; man; a man; woman; a woman; boy; girl; baby; child;
children; animal; vehicle; sport; food; fruit; water; ocean; beach; swimming pool; car; bicycle; motorcycle; boat;
train; bus; truck; airplane; ball; soccer; basketball; baseball; football; tennis; hockey; volleyball; skateboard;
snowboard; surfing; skiing; swimming; running; jumping; climbing; sitting; sleeping; dancing; playing; smiling;
walking; reading; eating; cooking; fishing; riding a horse; kissing; singing; snow; grass; tree; mountain; rock;
street; city; forest; flowers; sunset; night; building; field; park; bridge; sky; fire; hat; sunglasses; umbrella;
camera; phone; guitar; computer; chair; table; bench; bed; book; helmet; swing; slide; toy; balloon; bubbles; stick;
frisbee; kite; mask; costume; backpack; tent; flag; fountain; paint; crowd; wedding; concert; race; shirt; dress;
jacket; swimsuit; red shirt; blue shirt; white dog; black dog; brown dog; two dogs; yellow ball; dog running on
grass; dog in the snow; dog in water; dog jumping; dog with a ball; dog catching a frisbee; man with a hat; man on a
bicycle; man climbing a rock; man playing guitar; woman with sunglasses; woman in a red dress; child on a swing;
child on a slide; boy in a pool; boy with a ball; girl in a pink dress; girl smiling; people on a beach; people
sitting on a bench; group of people; people in the street; motorcycle race; riding a bicycle; horse race; football
player; baseball player; skier on a mountain; surfer on a wave; boy jumping; two children; two men; two women; young
girl; young boy; little child playing; man in a blue shirt; dog playing with a toy; elephant; giraffe; zebra; sheep;
bear; pizza; cake; sandwich; broccoli; banana; kitchen; bathroom; toilet; clock; bedroom; tv; couch; vase; sign;
traffic light; teddy bear; window; mirror
"""
UNLIKELY = """
a violin; piano; submarine; rhinoceros; penguin; a polar bear; the Eiffel Tower; the pyramids of Egypt; northern
lights; x-ray; circuit diagram; spreadsheet; passport; a bar chart; microscope; telescope; helicopter rescue; space
shuttle; astronaut; the moon; volcano; desert camel caravan; coral reef; jellyfish; octopus; lobster; sushi;
spaghetti; bowl of ramen; cheese fondue; wine cellar; stethoscope; dentist; operating room; courtroom; chess board;
lighthouse; windmill; castle; cathedral interior; gothic window; igloo; cactus; mushrooms; tulip field; hamster;
iguana; crocodile; peacock; kangaroo; koala; a tiger; gorilla; hippopotamus; wedding ring; necklace; high heels;
leather handbag; wrist watch; lipstick; toothbrush; washing machine; refrigerator interior; microwave oven;
chainsaw; welding; blacksmith; tattoo; ballet; orchestra; accordion; saxophone; drum kit; harp; fencing match;
bowling alley; sumo wrestler; hot air balloon; parachute; tank; warship; cargo container; oil rig; wind turbine;
solar panels; traffic jam at night; subway map; newspaper; handwriting; barcode; credit card; coins; stamps;
dinosaur; dragon; robot; spider web; butterfly; bee on a flower; snail; goldfish bowl; snowman
"""
_SAME = {
    "people": "person", "children": "child", "dogs": "dog", "men": "man", "women": "woman", "flowers": "flower",
    "skier": "skiing", "surfer": "surfing", "little": "young", "horses": "horse",
}  # fmt: skip
_STOP = frozenset(("a", "an", "the", "in", "on", "of", "with", "at", "to", "and", "is", "are", "for", "by"))
_WORD = re.compile("[a-z]+")


def everyday_queries() -> list[str]:
    """All queries: common things, actions, colours and phrases first, then what albums rarely contain."""
    return [" ".join(query.split()) for query in f"{ASKED};{UNLIKELY}".split(";")]


def content_words(query: str) -> list[str]:
    """Content words of a query."""
    return [word for word in _WORD.findall(query.lower()) if word not in _STOP]


def said(query: str, captions: Sequence[str]) -> int:
    """Number of an image's captions that confirm a query."""
    wanted = []
    for word in content_words(query):
        word = _SAME.get(word, word)
        wanted.append({word, f"{word}s", *KINDS.get(word, "").split()})
    return sum(all(words & held for words in wanted) for held in (set(_WORD.findall(c.lower())) for c in captions))


def reported(counts: Sequence[np.ndarray]) -> float:
    """Share of the images that show a thing and have a caption that says so.

    counts: for each query, in how many of five captions each image has it. The images that no caption mentions are
    estimated from those that one and two mention (Chao 1987, bias-corrected), which is a lower bound of them.
    """
    told = missed = 0.0
    for count_N in counts:
        once, twice = int((count_N == 1).sum()), int((count_N == 2).sum())
        if (seen := int((count_N > 0).sum())) >= 5:
            told += seen
            missed += 0.8 * once * (once - 1) / (2 * (twice + 1))
    return told / (told + missed)
